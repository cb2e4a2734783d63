from dataclasses import dataclass
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from torch import Tensor

from finetune.attention.masks import (
    Mask,
    MaskError,
    MaskSyntaxError,
    causal,
    mask_names,
    parse,
    register_mask,
)
from finetune.attention.masks.scope import Scope
from tests.packages import Brings
from tests.packages import brings as brings


@dataclass(frozen=True, repr=False)
class Previous(Mask):
    """A mask of another package, which defines `allowed` alone: the only key is `back` positions before the query."""

    name = "previous"
    back: int

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return k == q - self.back


@register_mask
def previous(back: int) -> Mask:
    return Previous(back)


def from_a_package(back: int) -> Mask:
    return Previous(back)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package that has a mask as an entry point."""
    offered = EntryPoints([EntryPoint("offered", f"{__name__}:from_a_package", "finetune.masks")])
    monkeypatch.setattr(metadata, "entry_points", offered.select)


def test_a_registered_mask_is_part_of_the_language() -> None:
    mask = parse("previous(2) | ~previous(1) & causal()")
    assert parse(str(mask)) == mask
    assert mask.count(70) == mask.dense(70).sum()
    assert Previous(3).key_ranges(range(5), 9) == [range(9)]
    with pytest.raises(MaskSyntaxError, match="did you mean 'previous'"):
        parse("previus(1)")


def test_a_mask_of_an_entry_point_is_found_by_name(package: None) -> None:
    assert parse("offered(2)") == Previous(2)
    assert "offered" in mask_names()


def test_a_name_is_given_once() -> None:
    def causal_again() -> Mask:
        return causal()

    causal_again.__name__ = "causal"
    with pytest.raises(MaskError, match="there is a mask named 'causal' already"):
        register_mask(causal_again)


def test_the_same_definition_may_run_twice_as_in_a_notebook() -> None:
    assert register_mask(previous) is previous


def test_a_package_that_cannot_be_imported_is_named(brings: Brings) -> None:
    brings("more-masks", "finetune.masks", broken="no_such_module:broken")
    with pytest.raises(MaskError, match=r"comes from the package more-masks, .* ModuleNotFoundError"):
        parse("broken()")


def test_a_name_that_two_packages_have_is_refused(brings: Brings) -> None:
    for name in ("one", "two"):
        brings(name, "finetune.masks", twice=f"{__name__}:from_a_package")
    with pytest.raises(MaskError, match=r"several packages .*: one, two; uninstall all but one"):
        parse("twice()")
