"""Compilation of models by torch.compile, for `training.compile=true`."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from finetune.attention.pretrained.interface import ASSIGNMENT
from finetune.errors import UserError


def compile_model(model: nn.Module, *, ragged: bool) -> None:
    """Let torch compile the model in place at its first step; the names of its weights do not change.

    A model that reads padded rows is compiled as a whole. Of a model that reads ragged streams, only the parts are
    compiled that compute each token independently: attention is cut into tiles whose number and sizes differ from batch
    to batch, for which torch would compile again and again.

    Args:
        model: The model, with its masks applied.
        ragged: Whether the model reads ragged streams.

    Raises:
        UserError: The model reads ragged streams, and no part of it can be compiled.
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
    """Return the largest parts of the model's layers that contain no attention, and so compute tokens independently.

    Modules without submodules are not returned: they are single operations, in which there is nothing to fuse.
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
    """Report errors of torch.compile inside this block.

    Args:
        enabled: Whether the model is compiled; False does nothing.

    Raises:
        UserError: torch.compile cannot compile the model under the masks of the recipe.
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
