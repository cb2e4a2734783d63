"""The folder of an evaluation."""

from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.serve import evaluate_model, find_recipe
from finetune.serve.evaluation_folder import check_new
from tests.serve.conftest import Finished, held_out


def test_an_empty_folder_is_new(tmp_path: Path) -> None:
    check_new(tmp_path)
    check_new(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(UserError, match="is there already"):
            check_new(path)


def test_what_an_evaluation_leaves(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    evaluate_model(str(run), str(held_out(run)), output=tmp_path / "a" / "b")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b"]
    names = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    assert names == {"evaluation.yaml", "model", "predictions_test.jsonl", "results.json"}
    assert not list((tmp_path / "a" / "b").rglob("*.safetensors"))


def test_a_folder_that_cannot_be_written(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        evaluate_model(str(run), output=tmp_path / "file" / "b")


def test_the_folder_is_no_model(finished: Finished, tmp_path: Path) -> None:
    evaluate_model(str(finished("text_classification", "bert")), output=tmp_path / "out")
    with pytest.raises(UserError, match="holds no model"):
        find_recipe(str(tmp_path / "out"))
