"""Recipes by name, by path and by module, and what is wrong with them."""

from pathlib import Path

import pytest

from finetune import compose
from finetune.errors import UserError
from tests.compose.recipes import MINE, message


def test_a_recipe_is_found_by_path_and_takes_its_name_and_summary_from_the_file(mine: str) -> None:
    recipe = compose.compose([f"recipe={mine}"])
    assert (recipe.name, recipe.summary) == ("mine", "My recipe")


def test_a_recipe_is_found_by_module(mine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "somepackage"
    package.mkdir()
    (package / "special.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert compose.compose(["recipe=somepackage.special"]).name == "special"


def test_a_module_that_fails_is_told_as_a_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "otherpackage"
    package.mkdir()
    (package / "wrong.py").write_text("from finetune.recipe import Training\nTraining(epoch=3)")
    (package / "lost.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "epoch" in message(["recipe=otherpackage.wrong"])
    assert "nothing_of_that_name" in message(["recipe=otherpackage.lost"])


def test_an_unknown_recipe_is_answered_with_the_nearest(mine: str) -> None:
    text = message(["recipe=sentimet_sample"])
    assert "there is no recipe 'sentimet_sample'" in text
    assert "recipe=sentiment_sample?" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x = 1", "holds no recipe"),
        ("recipe = 3", "int"),
        ("import nothing_of_that_name", "No module named"),
        ("recipe = (", "fails: SyntaxError"),
        ("from finetune.recipe import Training\nTraining(epoch=3)", "epoch"),
    ],
)
def test_mistakes_in_a_recipe_file(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    text = message([str(path)])
    assert expected in text
    assert "broken.py" in text


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "task: {kind: nothing}"])
def test_mistakes_in_a_yaml_recipe(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    assert "broken.yaml" in message([str(path)])


@pytest.mark.parametrize("content", [b"[" * 1500, b"\xff\xfe\xff", b"a: [", b"name: \x00"])
def test_a_file_that_is_not_yaml_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    with pytest.raises(UserError, match="is not YAML"):
        compose.load_recipe(str(tmp_path / "recipe.yaml"))


def test_a_recipe_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        compose.load_recipe(str(tmp_path / "recipe.yaml"))


@pytest.mark.parametrize("above", ["task: {kind: translation}\nmodel: {name: a}\ndata: {path: a}", "recipe: sst2"])
def test_a_file_nests_its_sections(above: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"{above}\nattention.encoder.mask: full()\n")
    text = message([str(path)])
    assert "attention.encoder.mask is written with dots in a file" in text
    assert "fix:      attention: {encoder: {mask: 'full()'}}" in text
