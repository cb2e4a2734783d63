"""The code that a recipe names, and which of the keys that name it were read from a file."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.recipe import Data, Evaluation
from finetune.recipe.code import (
    CODE_KEYS,
    FileKeys,
    FunctionReference,
    data_sets_named,
    functions_named,
    metrics_named,
    parse_reference,
)

WORDS = st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,8}", fullmatch=True)


@given(st.lists(WORDS, min_size=1, max_size=3).map(".".join), WORDS)
def test_a_module_and_a_function_are_read_back(module: str, name: str) -> None:
    assert parse_reference(f"{module}:{name}") == FunctionReference(module, name)
    assert parse_reference(f"some/folder of/{module}.py:{name}") == FunctionReference(
        f"some/folder of/{module}.py", name
    )


@pytest.mark.parametrize(
    "text",
    ["", "sentiment", "stars > 3", "text[1:2] == 'a'", "folder/mine.txt:load", "mine.py:", ":load", "mine.py:load()",
     "mine.py:load:twice now", "3d.module:load", "mine.py:3d"],
)  # fmt: skip
def test_other_texts_name_no_function(text: str) -> None:
    assert parse_reference(text) is None


def test_a_drive_letter_belongs_to_the_path() -> None:
    assert parse_reference(r"C:\mine.py:load") == FunctionReference(r"C:\mine.py", "load")


def named(found: Any) -> list[tuple[str, str, str]]:
    return [(one.key, one.name, one.top_key) for one in found]


def test_functions_that_give_and_filter_rows_are_code_and_expressions_are_not() -> None:
    data = Data(function="mine.py:load", filter="mine.py:keep")
    assert named(functions_named(data)) == [
        ("data.function", "mine.py:load", "data.function"),
        ("data.filter", "mine.py:keep", "data.filter"),
    ]
    assert named(functions_named(Data(path="a.csv", filter="stars > 3"))) == []


def test_an_entry_point_is_a_function_too() -> None:
    assert named(functions_named(Data(function="address"))) == [("data.function", "address", "data.function")]


def test_sources_come_in_the_place_of_the_sections_own_function_and_sample() -> None:
    sources = [{"path": "a.csv", "filter": "mine.py:keep"}, {"function": "mine.py:load"}, {"sample": "address"}]
    data = Data.model_validate({"function": "other.py:load", "sample": "sentiment", "sources": sources})
    assert named(functions_named(data)) == [
        ("data.sources[0].filter", "mine.py:keep", "data.sources"),
        ("data.sources[1].function", "mine.py:load", "data.sources"),
    ]
    assert named(data_sets_named(data)) == [("data.sources[2].sample", "address", "data.sources")]


@pytest.mark.parametrize("first", [{"path": "a.csv"}, {"name": "owner/name"}, {"function": "mine.py:load"}])
def test_a_sample_that_is_not_read_is_not_named(first: dict[str, str]) -> None:
    assert named(data_sets_named(Data(sample="address"))) == [("data.sample", "address", "data.sample")]
    assert named(data_sets_named(Data.model_validate({"sample": "address", **first}))) == []


def test_each_metric_is_named_once() -> None:
    found = named(metrics_named(Evaluation(metrics=("mse", "./mine.py", "mse"))))
    assert found == [("evaluation.metrics", name, "evaluation.metrics") for name in ("mse", "./mine.py")]
    assert named(metrics_named(Evaluation())) == []


def test_every_key_that_names_code_is_known() -> None:
    data = Data.model_validate({"function": "a.py:b", "filter": "a.py:c"})
    sources = Data.model_validate({"sources": [{"function": "a.py:b"}, {"sample": "address"}]})
    found = [*functions_named(data), *functions_named(sources), *data_sets_named(sources)]
    found += [*data_sets_named(Data(sample="address")), *metrics_named(Evaluation(metrics=("mse",)))]
    assert {one.top_key for one in found} == CODE_KEYS


@pytest.mark.parametrize(
    ("given_keys", "left"),
    [
        ([], CODE_KEYS),
        (["data.filter"], CODE_KEYS - {"data.filter"}),
        (["data"], frozenset(["evaluation.metrics"])),
        (["dat", "data.filter.more", "evaluation.metric"], CODE_KEYS),
        (iter(["evaluation", "data.function"]), CODE_KEYS - {"data.function", "evaluation.metrics"}),
    ],
)
def test_keys_that_the_user_gives_are_the_files_no_more(given_keys: Any, left: frozenset[str]) -> None:
    kept = FileKeys("mine.yaml", CODE_KEYS).without(given_keys)
    assert (kept.path, kept.keys) == ("mine.yaml", left)


def test_where_keys_are_from_makes_no_other_recipe() -> None:
    assert FileKeys("mine.yaml", CODE_KEYS) == FileKeys()
