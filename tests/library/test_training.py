"""`finetune.train`: recipes and data in, finished runs out, mistakes as exceptions."""

import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas
import pytest

import finetune
from finetune import compose
from finetune.errors import Interrupted, UserError
from finetune.library import training as library_training
from tests.library.conftest import recipe, rows

FRAME = pandas.DataFrame(rows(count=60)).rename(columns={"text": "review", "label": "verdict"})
COLUMNS = {"data": {"columns": {"text": "review", "label": "verdict"}}}


class Failing(finetune.Callback):
    def on_step_end(self, state: finetune.TrainerState) -> None:
        if state.global_step == 3:
            raise ZeroDivisionError


def test_data_in_memory_can_be_resumed_and_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree, more = recipe(tmp_path), COLUMNS | {"training.save_every": 1}
    with pytest.raises(ZeroDivisionError):
        finetune.train(tree, more, data=FRAME, callbacks=[Failing()])
    told = capsys.readouterr()
    assert told.out == "", "results are returned, not printed"
    assert "data in memory (60 train) is written to" in told.err
    (interrupted,) = (path.parent for path in tmp_path.glob("runs/text_classification/*/recipe.yaml"))
    run = finetune.train(tree, more | {"resume": "auto"}, data=FRAME.copy())
    assert run.folder == interrupted
    told = capsys.readouterr()
    assert told.out == ""
    assert "resuming after step 2 of 3" in told.err
    assert "test results on 6 examples: loss" in told.err
    stored = compose.load_recipe(str(run.folder / "recipe.yaml"))
    assert Path(str(stored.data.path)).is_dir()
    assert stored.data.columns.text == "review"
    repeated = finetune.train(run.folder)
    assert repeated.folder != run.folder
    assert repeated.predictions.equals(run.predictions)
    with pytest.raises(UserError, match="the recipe is not the one of the run"):
        finetune.train(tree, more | {"resume": str(unfinished(repeated))}, data=FRAME[1:])


def unfinished(run: finetune.FinishedRun) -> Path:
    """The run's folder, as if it had been stopped before its end."""
    (run.folder / "results.json").unlink()
    return run.folder


def test_data_take_the_place_of_the_recipes_own(tmp_path: Path) -> None:
    own = {"sources": [{"name": "a/b"}], "name": "c/d", "config": "e", "function": "mine.py:load", "format": "csv"}
    base = finetune.Recipe.model_validate(recipe(tmp_path) | {"name": "mine", "data": own})
    resolved = library_training._resolve(base, COLUMNS, {"train": FRAME, "test": FRAME[:4]})
    given = {name: value for name, value in resolved.data if value != type(resolved.data).model_fields[name].default}
    assert given.keys() == {"path", "columns"}
    assert sorted(path.name for path in Path(str(resolved.data.path)).iterdir()) == ["test.parquet", "train.parquet"]
    assert Path(str(resolved.data.path)).parent == tmp_path / "runs" / "mine"


@pytest.mark.parametrize(
    ("overrides", "data", "problem"),
    [
        ({"data.path": "my.csv"}, FRAME, "data and data.path are both given"),
        ({"data": {"name": "stanfordnlp/sst2"}}, FRAME, "data and data.name are both given"),
        ({"training.epoch": 1}, FRAME, "training.epoch is not a key of a recipe"),
        ({}, "my.csv", "the data cannot be read"),
    ],
)
def test_mistakes_are_raised_before_anything_is_written(
    overrides: Mapping[str, Any], data: Any, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=problem):
        finetune.train(recipe(tmp_path), overrides, data=data)
    assert not (tmp_path / "runs").exists()


def test_a_missing_column_names_the_key_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no column 'text'") as caught:
        finetune.train(recipe(tmp_path), {"data.columns.label": "verdict"}, data=FRAME)
    assert "review, verdict" in str(caught.value)
    assert "data.columns.text=" in str(caught.value)


def test_an_interrupted_run_says_how_python_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise Interrupted(2, "finetune run resume=...")

    monkeypatch.setattr(library_training, "train_recipe", interrupted)
    with pytest.raises(Interrupted) as caught:
        finetune.train(recipe(tmp_path), COLUMNS, data=FRAME)
    assert 'finetune.train(overrides={"resume": ...})' in caught.value.__notes__[0]


def test_notes_go_to_the_programs_own_log(tmp_path: Path) -> None:
    program = f"""
import logging, sys
import finetune
logging.basicConfig(filename={str(tmp_path / "log")!r}, level="INFO", format="%(name)s: %(message)s")
rows = [{{"text": f"{{word}} film {{n}}", "label": word}} for n in range(20) for word in ("good", "bad")]
run = finetune.train({recipe(tmp_path)!r}, data=rows)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
    lines = (tmp_path / "log").read_text().splitlines()
    assert any(line.startswith("finetune.training.monitor: epoch 1/1  train loss") for line in lines)
    assert any(line.startswith("finetune.training.run:   run folder:") for line in lines)


def test_levels_silence_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("finetune")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        finetune.train(recipe(tmp_path), COLUMNS, data=FRAME)
    finally:
        logger.setLevel(before)
    told = capsys.readouterr()
    assert told.out == ""
    assert not [line for line in told.err.splitlines() if not line.startswith(("warning: ", "  "))], "warnings alone"
