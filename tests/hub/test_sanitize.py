"""A published recipe can be run again, and names no folder of the machine that it comes from."""

from pathlib import Path

import pytest
import yaml

from finetune import compose
from finetune.hub.sanitize import published, sanitized


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("data.path", "/home/ada/films.csv", "films.csv"),
        ("data.path", "~/films", "films"),
        ("data.path", "films.csv", "films.csv"),
        ("model.name", "/home/ada/bert", "bert"),
        ("model.name", "google-bert/bert-base-cased", "google-bert/bert-base-cased"),
        ("data.cache_dir", "/home/ada/cache", None),
        ("output_dir", "/home/ada/runs", "runs"),
    ],
)
def test_only_the_last_part_of_a_local_path_is_kept(key: str, value: str, expected: str | None) -> None:
    recipe = compose.override(compose.load_recipe("sst2"), {key: value})
    text = sanitized(recipe)
    found = yaml.safe_load(text)
    for part in key.split("."):
        found = found.get(part) if found else None
    assert found == expected
    assert "/home" not in text


def test_what_is_no_path_stays(tmp_path: Path) -> None:
    given = {"data.delimiter": "/", "data.labels": ["/good", "~/bad"], "data.columns.text": "/text", "name": "a"}
    recipe = compose.override(compose.load_recipe("sst2"), {**given, "data.path": "/home/ada/films.csv"})
    (tmp_path / "recipe.yaml").write_text(sanitized(recipe))
    again = compose.load_recipe(str(tmp_path / "recipe.yaml"))
    assert (again.data.delimiter, again.data.labels, again.data.columns.text) == ("/", ("/good", "~/bad"), "/text")
    assert again.data.path == "films.csv"


def test_changes_without_folders() -> None:
    given = {"data.path": "/home/ada/films.csv", "data.labels": ["/a", "b"], "hub.push": "ada/films", "seed": 2}
    recipe = compose.override(compose.load_recipe("sst2"), given)
    assert [str(change) for change in published(recipe.changes).listed] == [
        "data.path: null -> films.csv",
        'data.labels: null -> ["/a", "b"]',
        "seed: 42 -> 2",
    ]


def test_the_recipe_can_be_run_again(tmp_path: Path) -> None:
    changes = {"hub.push": "ada/films", "resume": "auto", "training.epochs": 2}
    recipe = compose.override(compose.load_recipe("sst2"), changes)
    (tmp_path / "recipe.yaml").write_text(sanitized(recipe))
    again = compose.load_recipe(str(tmp_path / "recipe.yaml"))
    assert again.training == recipe.training
    assert (again.hub.push, again.resume) == (None, None)
