"""Example values: of keys that there are, and filters that can be read."""

import pytest

from finetune.compose.examples import EXAMPLES, FILTER_RULES, FILTERS, example_of
from finetune.compose.recipe_keys import find_keys, key_exists
from finetune.data import expressions
from finetune.recipe.code import parse_reference


def test_examples_are_of_keys_that_exist_in_order() -> None:
    assert [name for name in EXAMPLES if not key_exists(name)] == []
    assert list(EXAMPLES) == sorted(EXAMPLES)


@pytest.mark.parametrize("text", FILTERS)
def test_every_filter_can_be_read(text: str) -> None:
    assert parse_reference(text) or expressions.compile_expression(text).columns


def test_all_functions_and_methods_of_filters_are_named() -> None:
    functions, methods = (
        part.split(". ")[0] for part in FILTER_RULES.split("Functions: ")[1].split("Methods of text: ")
    )
    assert set(functions.split(", ")) == set(expressions._FUNCTIONS)
    assert set(methods.rstrip(".").split(", ")) == expressions._METHODS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training.group_by_length", True),
        ("training.schedule", "cosine"),
        ("training.epochs", 6),
        ("training.trackers", "tensorboard"),
        ("data.sources.filter", EXAMPLES["data.filter"]),
    ],
)
def test_examples_differ_from_defaults(name: str, value: object) -> None:
    assert example_of(find_keys(name)[0]) == value
