from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints

import pytest
import torch
from torch import Tensor

from finetune.attention.masks import (
    MaskArgumentError,
    MaskError,
    Needs,
    custom,
    parse,
    register_predicate,
)
from finetune.attention.masks.scope import Scope
from tests.packages import Brings
from tests.packages import brings as brings


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
    """Install a package that has a predicate as an entry point."""
    offered = EntryPoints([EntryPoint("first_key", f"{__name__}:packaged_predicate", "finetune.predicates")])
    monkeypatch.setattr(metadata, "entry_points", offered.select)


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


def test_a_name_is_given_once() -> None:
    with pytest.raises(MaskError, match="there is a predicate named 'even_keys' already"):
        register_predicate("even_keys")(own_word)


def test_the_same_definition_may_run_twice_as_in_a_notebook() -> None:
    register_predicate("even_keys", length=False, by_head=False)(even_keys)
    assert custom(even_keys).dense(2).sum() == 2


def test_a_predicate_must_return_booleans() -> None:
    with pytest.raises(
        MaskError, match=r"the predicate 'not_boolean' must return a tensor of torch\.bool, got torch\.int64"
    ):
        custom(not_boolean).dense(3)


def test_a_package_that_cannot_be_imported_is_named(brings: Brings) -> None:
    brings("more-masks", "finetune.predicates", broken="no_such_module:broken")
    with pytest.raises(MaskError, match=r"comes from the package more-masks, .* ModuleNotFoundError"):
        parse("custom(broken)")


def test_a_name_that_two_packages_have_is_refused(brings: Brings) -> None:
    for name in ("one", "two"):
        brings(name, "finetune.predicates", twice=f"{__name__}:packaged_predicate")
    with pytest.raises(MaskError, match=r"several packages .*: one, two; uninstall all but one"):
        parse("custom(twice)")
