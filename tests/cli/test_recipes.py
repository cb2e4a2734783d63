"""list, show and help, as people type them."""

from pathlib import Path

import pytest

from finetune import compose
from tests.cli.commands import finetune


@pytest.mark.parametrize("columns", ["80", "200"])
def test_list_shows_every_recipe_with_what_it_trains(columns: str) -> None:
    shown = finetune("list", COLUMNS=columns)
    assert shown.returncode == 0
    assert max(map(len, shown.stdout.splitlines())) <= int(columns)
    whole = " ".join(shown.stdout.split())
    for name in compose.recipe_names():
        recipe = compose.load_recipe(name)
        kind = recipe.task.kind.replace("_", " ")
        said = f"{kind}, {recipe.model.description}, data: {recipe.data.description}, seed: {recipe.seed}"
        assert f"{name} {recipe.summary} {said} masks: {recipe.attention.description}" in whole


def test_show_prints_what_can_be_run_again(tmp_path: Path) -> None:
    words = ["recipe=sst2", "training.epochs=7"]
    shown = finetune("show", *words)
    path = tmp_path / "sst2.yaml"
    path.write_text(shown.stdout)
    assert compose.load_recipe(str(path)) == compose.compose(words)


@pytest.mark.parametrize("words", [[], ["training"], ["data.filter"]])
def test_help_explains_keys(words: list[str]) -> None:
    shown = finetune("help", *words)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == compose.explain_keys(*words) + "\n"


def test_help_suggests_what_is_near() -> None:
    shown = finetune("help", "training.epoch")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "finetune help training.epochs" in shown.stderr
