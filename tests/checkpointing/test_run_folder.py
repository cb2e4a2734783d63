"""A run folder is made once, under a name of its own, and its files are written whole."""

from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from finetune.recipe import Recipe

Toy = Callable[..., Recipe]


def test_runs_of_one_second_have_folders_of_their_own(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8)
    folders = {RunFolder.create(recipe).path for _ in range(3)}
    assert len(folders) == 3
    assert all((folder / "recipe.yaml").is_file() for folder in folders)


def test_a_run_folder_that_cannot_be_made_is_told(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recipe = toy("text_classification", "bert", train=32, held_out=8, output_dir=str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be written"):
        RunFolder.create(recipe)


def test_a_name_that_leaves_the_folder_of_runs_is_refused_where_paths_are_joined(toy: Toy, tmp_path: Path) -> None:
    """A recipe that takes its name from its file is not checked as its keys are."""
    recipe = toy("text_classification", "bert", train=32, held_out=8).model_copy(update={"name": "../../escaped"})
    with pytest.raises(UserError, match="slash"):
        RunFolder.create(recipe)
    assert not (tmp_path.parent / "escaped").exists()


def test_metrics_are_cut_to_a_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder(tmp_path)
    folder.log({"step": 1})
    size = folder.metrics_size()
    folder.log({"step": 2})
    folder.cut_metrics(size)
    assert folder.metrics.read_text() == '{"step": 1}\n'
    folder.cut_metrics(size + 1)
    assert "is shorter than at the checkpoint" in capsys.readouterr().err
    assert folder.metrics.read_text() == '{"step": 1}\n'


def test_a_run_is_finished_then_complete(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert not folder.is_finished
    folder.write_results({"test": {"loss": 0.5}})
    assert folder.is_finished
    assert not folder.is_complete
    folder.mark_complete()
    assert folder.is_complete
    assert folder.test_scores() == {"loss": 0.5}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"test": {"loss": "low"}}'])
def test_damaged_results_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=r"results\.json of the run cannot be read") as caught:
        RunFolder(tmp_path).test_scores()
    assert caught.value.where == str(tmp_path / "results.json")
    assert "delete this file" in str(caught.value.fix)
