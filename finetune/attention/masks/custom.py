"""`custom(name)`: a predicate that the user wrote, found by its name so that a saved model can refer to it.

A predicate is a function with the signature of `Mask.allowed`, (scope, head, q, k) -> bool tensor, and uses elementwise
operations only. It is registered by `register_predicate`, or by an entry point of the group `finetune.predicates` whose
object is the function (decorated by `register_predicate` where it reads columns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.errors import MaskError
from finetune.attention.masks.functions import FunctionRegistry, RegisteredFunction
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope

Predicate = Callable[["Scope", "Tensor", "Tensor", "Tensor"], "Tensor"]
PredicateT = TypeVar("PredicateT", bound=Predicate)

_predicates = FunctionRegistry("custom", "predicate", "register_predicate", "finetune.predicates")


@dataclass(frozen=True, repr=False)
class Custom(Mask):
    """Mask that allows the pairs for which a registered predicate returns True.

    Args:
        predicate: Name under which the predicate is registered.
    """

    name = "custom"
    predicate: str

    @property
    def needs(self) -> Needs:
        """The needs that were given when the predicate was registered."""
        return find_predicate(self.predicate).needs

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """Return what the predicate returns, as `Mask.allowed` describes it.

        Raises:
            MaskError: The predicate returns something else than a boolean tensor.
        """
        import torch

        allowed = find_predicate(self.predicate).function(scope, head, q, k)
        if not isinstance(allowed, torch.Tensor) or allowed.dtype != torch.bool:
            found = allowed.dtype if isinstance(allowed, torch.Tensor) else type(allowed).__name__
            raise MaskError(f"the predicate {self.predicate!r} must return a tensor of torch.bool, got {found}")
        return allowed


def register_predicate(
    name: str,
    *,
    columns: Iterable[str] = (),
    values: Iterable[str] = (),
    length: bool = True,
    by_head: bool = True,
) -> Callable[[PredicateT], PredicateT]:
    """Return a decorator that registers a predicate, so that masks can use it as `custom(name)`.

    Args:
        name: Name of the predicate in masks.
        columns: Names of the token columns that the predicate reads.
        values: Names of the values of an example that the predicate reads.
        length: Whether its result for a pair can change when the example grows; if so, the mask is refused where text
            is generated.
        by_head: Whether its result can differ between heads; if not, it is evaluated once for all heads.

    Raises:
        MaskError: Another predicate has that name.
    """
    return _predicates.register(name, columns, values, length, by_head)


@register_mask
def custom(predicate: str | Predicate) -> Mask:
    """Let a predicate decide who may attend to whom.

    Args:
        predicate: Name of a registered predicate; or a function, which is registered under its own name if it is not
            registered yet.

    Raises:
        MaskArgumentError: No predicate has that name, the function has none, or the argument is neither.
        MaskError: The package that has the predicate cannot be imported, or several packages have one of that name.
    """
    return Custom(_predicates.name_of(predicate))


def find_predicate(name: str) -> RegisteredFunction:
    """Return a predicate that was registered, or that an entry point offers.

    Raises:
        MaskError: There is none of that name, its package cannot be imported, or several packages have one.
    """
    return _predicates.find(name)
