"""torch.compile by a key."""

from collections.abc import Iterator
from contextlib import contextmanager

from finetune.errors import UserError


@contextmanager
def compiling(enabled: bool) -> Iterator[None]:
    """Tell what torch.compile cannot compile inside this block.

    Raises:
        UserError: The model, under the recipe's masks.
    """
    if not enabled:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        raise UserError(
            "torch.compile cannot compile this model under these masks",
            where="training.compile",
            found=str(error).strip().splitlines()[0],
            fix="training.compile=false",
        ) from error
