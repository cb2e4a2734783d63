"""`custom(name)`: a predicate of the user's own, found by name so that a saved model can name it.

A predicate has the signature of `Mask.allowed`: (scope, head, q, k) -> bool tensor, elementwise operations only.
It is registered by `register_predicate` or by an entry point of the group `finetune.predicates` whose object is
the function (decorated by `register_predicate` where it needs columns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from finetune.attention.entry_points import entry_point_names
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.errors import MaskArgumentError, MaskError, did_you_mean
from finetune.attention.masks.registry import load_brought, register_mask, same_origin

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope

ENTRY_POINT_GROUP = "finetune.predicates"

Predicate = Callable[["Scope", "Tensor", "Tensor", "Tensor"], "Tensor"]
PredicateT = TypeVar("PredicateT", bound=Predicate)


@dataclass(frozen=True)
class _Registered:
    predicate: Predicate
    needs: Needs


_predicates: dict[str, _Registered] = {}


@dataclass(frozen=True, repr=False)
class Custom(Mask):
    """Allowed when the predicate registered under this name says so."""

    name = "custom"
    predicate: str

    @property
    def needs(self) -> Needs:
        """What the predicate was registered with."""
        return find_predicate(self.predicate).needs

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """See Mask. Raises MaskError where the predicate returns anything but booleans."""
        import torch

        allowed = find_predicate(self.predicate).predicate(scope, head, q, k)
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
    """A decorator that makes a predicate known as `custom(name)`.

    Args:
        name: What the predicate is called in masks.
        columns: Token columns that it reads.
        values: Values of the example that it reads.
        length: Whether its answer for a pair can change when the example grows; if so it is refused where text
            is generated.
        by_head: Whether its answer can differ between heads; if not it is evaluated once for all.

    Raises:
        MaskError: Another predicate has that name.
    """

    def register(predicate: PredicateT) -> PredicateT:
        if name in _predicates and not same_origin(_predicates[name].predicate, predicate):
            raise MaskError(f"there is a predicate named {name!r} already")
        needs = Needs(columns=frozenset(columns), values=frozenset(values), length=length, by_head=by_head)
        _predicates[name] = _Registered(predicate, needs)
        return predicate

    return register


@register_mask
def custom(predicate: str | Predicate) -> Mask:
    """The predicate of that name, or a function, which is registered under its own name if it is not yet."""
    if callable(predicate):
        return Custom(_name_of(predicate))
    if not isinstance(predicate, str):
        raise MaskArgumentError(f"custom: predicate must be a name or a function, got {predicate!r}", predicate)
    find_predicate(predicate)
    return Custom(predicate)


def _name_of(predicate: Predicate) -> str:
    for name, registered in _predicates.items():
        if registered.predicate is predicate:
            return name
    name = getattr(predicate, "__name__", "<lambda>")
    if not name.isidentifier():
        raise MaskArgumentError("custom: a predicate needs a name; write register_predicate(name)(it)", predicate)
    register_predicate(name)(predicate)
    return name


def find_predicate(name: str) -> _Registered:
    """A predicate that was registered, or that an entry point has.

    Raises:
        MaskError: There is none of that name, its package cannot be imported, or two packages bring it.
    """
    brought = None if name in _predicates else load_brought(ENTRY_POINT_GROUP, name)
    if brought is not None and name not in _predicates:  # the import of the module may have registered it
        register_predicate(name)(cast("Predicate", brought))
    if name not in _predicates:
        names = sorted({*_predicates, *entry_point_names(ENTRY_POINT_GROUP)})
        known = ", ".join(names) if names else "none"
        raise MaskArgumentError(
            f"no predicate is registered as {name!r} (known: {known}){did_you_mean(name, names)}; import the module "
            "that registers it first, or install the package that brings it",
            name,
        )
    return _predicates[name]
