"""What was changed of a recipe is known, whatever the way in which it was changed."""

from collections.abc import Mapping
from typing import Any

import pytest

from finetune import compose
from finetune.recipe.changes import PLACES, Change, Changes

SST2 = compose.load_recipe("sst2")
ADDRESS = compose.load_recipe("address_sample")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"training.epochs": 7}, ["training.epochs: 3 -> 7"]),
        ({"training.epochs": 3}, []),
        ({"attention.encoder": "window(2)"}, ["attention.encoder: null -> window(2)"]),
        ({"data.max_train_examples": 48}, ["data.max_train_examples: null -> 48"]),
        ({"data.labels": ["a", "b"]}, ['data.labels: null -> ["a", "b"]']),
        ({"training.learning_rate": 1e-3, "seed": 1}, ["training.learning_rate: 5e-05 -> 0.001", "seed: 42 -> 1"]),
        (
            {"attention.encoder": {"mask": "window(2)", "layers": {"0": "full()"}}},
            ['attention.encoder: null -> {"mask": "window(2)", "layers": {"0": "full()"}}'],
        ),
        (dict.fromkeys(["output_dir", "data.cache_dir", "model.cache_dir"], "here") | {"resume": "auto"}, []),
    ],
    ids=str,
)
def test_a_change_is_told_as_it_may_be_typed(given: Mapping[str, Any], expected: list[str]) -> None:
    recipe = compose.override(SST2.model_copy(), {"training.epochs": 3, "training.learning_rate": 5e-5})
    base = recipe.with_changes(Changes())
    assert [str(change) for change in compose.override(base, given).changes.listed] == expected


def test_masks_that_are_taken_away_are_a_change() -> None:
    changed = compose.override(ADDRESS, {"attention.encoder": None}).changes.listed
    assert [str(change) for change in changed] == ["attention.encoder: window(4) | global_tokens(cls) -> null"]


def test_changes_add_up_and_cancel_out() -> None:
    once = compose.override(SST2, {"seed": 1, "training.epochs": 9})
    twice = compose.override(once, {"seed": 2})
    assert [str(change) for change in twice.changes.listed][-1] == "seed: 42 -> 2"
    back = compose.override(twice, {"seed": 42, "training.epochs": SST2.training.epochs})
    assert back.changes.listed == ()
    assert back == SST2 != twice


def test_what_the_command_line_gives_is_a_change() -> None:
    recipe = compose.compose(["recipe=sst2", "seed=5"])
    assert recipe.changes.listed == (Change("seed", 42, 5),)
    assert SST2.changes.listed == ()


def test_json_has_them_whole() -> None:
    changes = compose.override(ADDRESS, {"attention.encoder": None, "seed": 5}).changes
    assert Changes.from_json(changes.to_json()).listed == changes.listed
    assert Changes.from_json({"seed": 5}).listed == (), "what somebody else wrote is left out"


def test_places_are_keys() -> None:
    assert set(PLACES) <= set(compose.keys())


@pytest.mark.parametrize(
    ("attention", "expected"),
    [
        ({}, "standard"),
        ({"attention.encoder": "full()"}, "standard"),
        ({"attention.encoder": "window(2)"}, "encoder window(2)"),
        (
            {"attention.encoder": {"layers": {"0-1": "window(2)"}}, "attention.cross": "window(3)"},
            "encoder full(), layers 0-1: window(2); cross window(3)",
        ),
        ({"attention.decoder": {"mask": "full()", "bidirectional": True}}, "decoder full(), bidirectional"),
    ],
    ids=str,
)
def test_masks_in_one_line(attention: Mapping[str, Any], expected: str) -> None:
    assert compose.override(SST2, attention).attention.description == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"path": "here/films.csv"}, "films.csv"),
        ({"path": ["a/one.csv", "a/two.csv"]}, "one.csv, two.csv"),
        ({"function": "code/mine.py:load"}, "mine.py:load"),
        ({"sample": "address"}, "address_sample"),
        ({"sources": [{"name": "owner/a"}, {"path": "b.csv"}]}, "owner/a, b.csv"),
    ],
    ids=str,
)
def test_data_in_one_line(data: Mapping[str, Any], expected: str) -> None:
    sections: dict[str, Any] = {"name": None, "config": None, "sample": None}
    recipe = compose.override(SST2, {f"data.{key}": value for key, value in {**sections, **data}.items()})
    assert recipe.data.description == expected
