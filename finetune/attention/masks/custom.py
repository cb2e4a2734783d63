"""`custom(name)`: a predicate that the user wrote, found by its name so that a saved model can refer to it.

A predicate is a function with the signature of `Mask.allowed`, (scope, head, q, k) -> bool tensor, and uses elementwise
operations only. It is registered by `register_predicate`, or by an entry point of the group `finetune.predicates` whose
object is the function (decorated by `register_predicate` where it reads columns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from finetune.attention.entry_points import entry_point_names
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.errors import MaskArgumentError, MaskError, did_you_mean
from finetune.attention.masks.registry import load_offered, register_mask, same_origin

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

    def register(predicate: PredicateT) -> PredicateT:
        if name in _predicates and not same_origin(_predicates[name].predicate, predicate):
            raise MaskError(f"there is a predicate named {name!r} already")
        needs = Needs(columns=frozenset(columns), values=frozenset(values), length=length, by_head=by_head)
        _predicates[name] = _Registered(predicate, needs)
        return predicate

    return register


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
    """Return a predicate that was registered, or that an entry point offers.

    Raises:
        MaskError: There is none of that name, its package cannot be imported, or several packages have one.
    """
    loaded = None if name in _predicates else load_offered(ENTRY_POINT_GROUP, name)
    if loaded is not None and name not in _predicates:  # the import of the module may have registered it
        register_predicate(name)(cast("Predicate", loaded))
    if name not in _predicates:
        names = sorted({*_predicates, *entry_point_names(ENTRY_POINT_GROUP)})
        known = ", ".join(names) if names else "none"
        raise MaskArgumentError(
            f"no predicate is registered as {name!r} (known: {known}){did_you_mean(name, names)}; import the module "
            "that registers it first, or install the package that has it",
            name,
        )
    return _predicates[name]
