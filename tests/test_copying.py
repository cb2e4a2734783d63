"""`finetune copy`: a copy that runs, and nothing lost on the way."""

import sys
from pathlib import Path

import pytest

from finetune import cli, compose, run
from finetune.copying import copy_recipe
from finetune.errors import UserError
from tests.training.conftest import write_rows


@pytest.mark.parametrize("name", compose.recipe_names())
def test_every_recipe_can_be_copied_and_means_the_same(name: str, tmp_path: Path) -> None:
    path = copy_recipe(name, tmp_path / "mine.py")
    assert compose.load_recipe(str(path)) == compose.load_recipe(name).model_copy(update={"name": "mine"})
    assert f"recipe={path}" in path.read_text()
    assert f"recipe={name} " not in path.read_text()


def test_a_copy_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["finetune", "copy", "sst2", "recipes/mine.py"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    (word,) = capsys.readouterr().out.split()
    assert word == "recipe=recipes/mine.py"
    data = write_rows(tmp_path / "data", "text_classification", {"train": 32, "dev": 8, "test": 8})
    small = ["model.name=null", "model.scratch.architecture=bert", "model.scratch.size=tiny", "training.epochs=1"]
    assert run.main([word, f"data.path={data}", "data.columns.text=text", *small]) == 0
    assert "mine: test results on 8 examples" in capsys.readouterr().out
    assert (tmp_path / "runs" / "mine").is_dir()


def test_a_folder_keeps_the_name(tmp_path: Path) -> None:
    assert copy_recipe("sst2", tmp_path) == tmp_path / "sst2.py"


def test_copies_of_copies_and_of_yaml(tmp_path: Path) -> None:
    first = copy_recipe("mrpc", tmp_path / "first.py")
    second = copy_recipe(str(first), tmp_path / "new" / "second.py")
    assert f"recipe={second}" in second.read_text()
    (tmp_path / "a.yaml").write_text(compose.to_yaml(compose.load_recipe("mrpc")))
    assert compose.load_recipe(str(copy_recipe(str(tmp_path / "a.yaml"), tmp_path / "b.yaml"))) == compose.load_recipe(
        "mrpc"
    )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        copy_recipe("sst2", path)
    assert path.read_text() == "mine"


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no recipe"):
        copy_recipe("sst3", tmp_path / "mine.py")
    with pytest.raises(UserError, match="has to keep its ending") as caught:
        copy_recipe("sst2", tmp_path / "mine.txt")
    assert "mine.py" in str(caught.value)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        copy_recipe("sst2", tmp_path / "file" / "mine.py")
