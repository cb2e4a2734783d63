"""Masks and predicates that others bring."""

from dataclasses import dataclass
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints

import pytest
import torch
from torch import Tensor

from finetune.attention.masks import (
    Mask,
    MaskArgumentError,
    MaskError,
    MaskSyntaxError,
    Needs,
    causal,
    custom,
    mask_names,
    parse,
    register_mask,
    register_predicate,
)
from finetune.attention.masks.scope import Scope
from tests.packages import Brings
from tests.packages import brings as brings


@dataclass(frozen=True, repr=False)
class Previous(Mask):
    """Only the key `back` positions before; a third party's mask that defines the least it can."""

    name = "previous"
    back: int

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return k == q - self.back


@register_mask
def previous(back: int) -> Mask:
    return Previous(back)


def from_a_package(back: int) -> Mask:
    return Previous(back)


@register_predicate("even_keys", length=False, by_head=False)
def even_keys(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return k % 2 == 0


@register_predicate("own_word", columns=["word"], values=["n"])
def own_word(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return scope.query_feature("word", q) == scope.key_feature("word", k) + scope.example_value("n")


@register_predicate("not_boolean")
def not_boolean(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return q - k


def packaged_predicate(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return k == 0


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that brings a mask and a predicate as entry points."""
    brought = EntryPoints(
        [
            EntryPoint("brought", f"{__name__}:from_a_package", "finetune.masks"),
            EntryPoint("first_key", f"{__name__}:packaged_predicate", "finetune.predicates"),
        ]
    )
    monkeypatch.setattr(metadata, "entry_points", brought.select)


def test_a_registered_mask_is_part_of_the_language() -> None:
    mask = parse("previous(2) | ~previous(1) & causal()")
    assert parse(str(mask)) == mask
    assert mask.count(70) == mask.dense(70).sum()
    assert Previous(3).key_ranges(range(5), 9) == [range(9)]
    with pytest.raises(MaskSyntaxError, match="did you mean 'previous'"):
        parse("previus(1)")


def test_a_mask_of_an_entry_point_is_found_by_name(package: None) -> None:
    assert parse("brought(2)") == Previous(2)
    assert "brought" in mask_names()


def test_a_predicate_of_an_entry_point_is_found_by_name(package: None) -> None:
    assert custom("first_key").dense(3).sum() == 3
    with pytest.raises(MaskArgumentError, match="did you mean 'first_key'"):
        custom("frist_key")


def test_a_predicate_by_name_and_by_function_is_one_mask() -> None:
    assert custom(even_keys) == custom("even_keys") == parse("custom(even_keys)")
    assert str(custom(even_keys)) == "custom(even_keys)"
    assert custom("even_keys").count(5, num_heads=3) == 5 * 3 * 3


def test_a_function_is_registered_under_its_own_name() -> None:
    def far_keys(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (q - k).abs() > 2

    assert custom(far_keys) == parse("custom(far_keys)")
    with pytest.raises(MaskArgumentError, match="a predicate needs a name"):
        custom(lambda scope, head, q, k: q == k)


def test_needs_of_a_predicate_are_those_it_was_registered_with() -> None:
    needs = custom(own_word).needs
    assert needs == Needs(columns=frozenset({"word"}), values=frozenset({"n"}), length=True, by_head=True)
    assert not custom(even_keys).needs.by_head
    dense = custom(own_word).dense(2, features={"word": [1, 2], "n": 1})
    assert torch.equal(dense[0], torch.tensor([[False, False], [True, False]]))


def test_names_are_given_once() -> None:
    with pytest.raises(MaskError, match="there is a predicate named 'even_keys' already"):
        register_predicate("even_keys")(own_word)

    def causal_again() -> Mask:
        return causal()

    causal_again.__name__ = "causal"
    with pytest.raises(MaskError, match="there is a mask named 'causal' already"):
        register_mask(causal_again)


def test_the_same_definition_may_run_twice_as_in_a_notebook() -> None:
    register_predicate("even_keys", length=False, by_head=False)(even_keys)
    assert register_mask(previous) is previous


def test_a_predicate_must_answer_yes_or_no() -> None:
    with pytest.raises(
        MaskError, match=r"the predicate 'not_boolean' must return a tensor of torch\.bool, got torch\.int64"
    ):
        custom(not_boolean).dense(3)


@pytest.mark.parametrize(("group", "text"), [("masks", "broken()"), ("predicates", "custom(broken)")])
def test_a_package_that_cannot_be_imported_is_named(brings: Brings, group: str, text: str) -> None:
    brings("more-masks", f"finetune.{group}", broken="no_such_module:broken")
    with pytest.raises(MaskError, match=r"comes from the package more-masks, .* ModuleNotFoundError"):
        parse(text)


@pytest.mark.parametrize(("group", "text"), [("masks", "twice()"), ("predicates", "custom(twice)")])
def test_a_name_that_two_packages_bring_is_refused(brings: Brings, group: str, text: str) -> None:
    for name in ("one", "two"):
        brings(name, f"finetune.{group}", twice=f"{__name__}:packaged_predicate")
    with pytest.raises(MaskError, match=r"several packages .*: one, two; uninstall all but one"):
        parse(text)
