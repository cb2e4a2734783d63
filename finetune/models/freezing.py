"""Freezing: the choice of the weights that are trained."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from finetune.errors import UserError, nearest


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Freeze parameters, that is set their `requires_grad` to False.

    Args:
        model: The model.
        patterns: Names of parameters or modules (bert.embeddings), or patterns of parameters' names, in which * stands
            for any characters, ? for one character and [0-5] for one of these.

    Raises:
        UserError: A pattern matches no parameter, or all parameters are frozen.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        if not any(_fits(name, pattern) for name in names):
            raise _unknown(pattern, names)
    for name, weight in model.named_parameters():
        if any(_fits(name, pattern) for pattern in patterns):
            weight.requires_grad_(False)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UserError(
            "nothing is left to train",
            where="training.freeze",
            found=", ".join(patterns),
            fix="leave a part of the model out of training.freeze",
        )


def trained_share(model: nn.Module) -> str:
    """Return how many of a model's weights are trained, for a note."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    trained, everything = sum(size for size, is_trained in sizes if is_trained), sum(size for size, _ in sizes)
    return f"{trained / 1e6:.2f} M of {everything / 1e6:.1f} M weights are trained"


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")


def _unknown(pattern: str, names: Sequence[str]) -> UserError:
    modules = {name.rsplit(".", depth)[0] for name in names for depth in range(name.count(".") + 1)}
    near = nearest(pattern.rstrip(".*"), sorted(modules))
    ends = ", ".join(sorted({name.partition(".")[0] for name in names}))
    return UserError(
        f"no weight of the model is named {pattern!r}",
        where="training.freeze",
        expected=f"a name or a pattern of names that begin with {ends}",
        found=pattern,
        fix=f"did you mean {near}?" if near else f"names look like {names[0]}; * stands for any characters",
    )
