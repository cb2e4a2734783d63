"""torch.compile by a key."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from finetune.attention.pretrained.interface import ASSIGNMENT
from finetune.errors import UserError


def compile_model(model: nn.Module, *, ragged: bool) -> None:
    """Have torch compile the model at its first step, in place; the names of its weights stay.

    Padded rows are compiled whole. Of ragged streams, what computes each token by itself is: attention over them is cut
    into pieces of other numbers and sizes in each batch, which would be compiled anew time and again.

    Args:
        model: With its masks applied.
        ragged: Whether it reads ragged streams.

    Raises:
        UserError: The model has no such part.
    """
    if not ragged:
        model.compile(dynamic=True)
        return
    parts = token_wise(model)
    if not parts:
        raise UserError(
            "there is no part of this model that torch.compile could compile for ragged streams",
            where="training.compile",
            found=type(model).__name__,
            fix="training.layout=padded, or training.compile=false",
        )
    for part in parts:
        part.compile(dynamic=True)


def token_wise(model: nn.Module) -> list[nn.Module]:
    """The largest parts of the model's layers without attention: they compute each token by itself.

    Parts of a single operation are left out, as there is nothing to fuse.
    """
    layers = [layer for stack in model.modules() if isinstance(stack, nn.ModuleList) for layer in stack]
    found = [part for layer in layers for part in _without_attention(layer)]
    return list(dict.fromkeys(found))


def _without_attention(module: nn.Module) -> Iterator[nn.Module]:
    if any(hasattr(inner, ASSIGNMENT) for inner in module.modules()):
        for child in module.children():
            yield from _without_attention(child)
    elif any(True for _ in module.children()):
        yield module


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
