"""Outputs: their formats, what they replace, and what is refused before any work."""

import csv
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from finetune.errors import UserError
from finetune.serve import Input, Output, predict_file
from finetune.serve.predictions import PredictionFormatter
from finetune.serve.writing import OutputFile, writer
from tests.serve.conftest import Finished

FORMATTER = cast(PredictionFormatter, SimpleNamespace(separator="|", flat_names=("prediction", "probabilities.a")))
ANSWER = {"prediction": ["a", "b"], "probabilities": {"a": 0.5}}


@pytest.fixture
def run(finished: Finished) -> Path:
    return finished("text_classification", "bert")


def write(path: Path, kind: Any, columns: dict[str, Any], answer: dict[str, Any], error: str | None) -> str:
    with OutputFile(Output(path)) as file:
        writer(kind, file, tuple(columns), FORMATTER, None)(columns, answer, error)
    return path.read_text()


def test_tables_hold_the_input_the_prediction_and_the_error(tmp_path: Path) -> None:
    columns = {"text": "x, y", "prediction": "old", "tags": ["t"], "none": None}
    names, cells = csv.reader(write(tmp_path / "a.csv", "csv", columns, ANSWER, "line 2: bad").splitlines())
    assert names == ["text", "input_prediction", "tags", "none", "prediction", "probabilities.a", "error"]
    assert cells == ["x, y", "old", '["t"]', "", "a|b", "0.5", "line 2: bad"]


def test_cells_of_a_tsv_stay_on_their_line_and_in_their_column(tmp_path: Path) -> None:
    written = write(tmp_path / "a.tsv", "tsv", {"text": "x\ty\nz"}, ANSWER, None)
    assert written == "text\tprediction\tprobabilities.a\terror\nx y z\ta|b\t0.5\t\n"


def test_json_lines_have_an_error_only_where_there_is_one(tmp_path: Path) -> None:
    first = json.loads(write(tmp_path / "a.jsonl", "jsonl", {"error": "old"}, ANSWER, None))
    assert first == {"input_error": "old", **ANSWER}
    assert json.loads(write(tmp_path / "a.jsonl", "jsonl", {}, ANSWER, "bad"))["error"] == "bad"


def test_lines_of_text_are_predictions_alone(tmp_path: Path) -> None:
    assert write(tmp_path / "a.txt", "text", {"text": "x"}, {"prediction": "two\nlines"}, None) == "two lines\n"


def write_until_interrupted(path: Path) -> None:
    with OutputFile(Output(path)) as file:
        file.write("kept\n")
        file.flush()
        file.write("half a wind")
        file.keep_flushed()
        raise KeyboardInterrupt


def test_a_file_has_its_name_only_when_all_is_written(tmp_path: Path) -> None:
    path, partial = tmp_path / "a.txt", tmp_path / "a.txt.partial"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_until_interrupted(path)
    assert (path.read_text(), partial.read_text()) == ("before", "kept\n")
    with OutputFile(Output(path)) as file:
        file.write("whole")
    assert (path.read_text(), partial.exists()) == ("whole", False)


def test_bytes_that_were_no_text_are_written_as_escapes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.txt", "text", {}, {"prediction": "b\udce9d"}, None) == "b\\udce9d\n"


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("a.jsonl", {}, "the output is the input"),
        (".", {}, "is a folder"),
        ("none/b.jsonl", {}, "there is no folder"),
        ("b.csv", {}, "a table has the same columns"),
        ("b.txt", {"scores": True}, "lines of text hold no scores"),
        ("b.json", {}, "answers are not written as json"),
        ("b.docx", {}, "the format is not known"),
    ],
)
def test_outputs_that_cannot_be(run: Path, tmp_path: Path, output: str, options: dict[str, Any], message: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    kind: Any = "jsonl" if output == "." else None
    with pytest.raises(UserError, match=message):
        predict_file(str(run), Input(tmp_path / "a.jsonl"), Output(tmp_path / output, kind), **options)


def test_a_folder_that_cannot_be_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UserError, match="cannot be written"):
        predict_file(str(run), Input(tmp_path / "a.txt"), Output(tmp_path / "b.txt"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    with pytest.raises(UserError, match="/dev/full cannot be written") as caught:
        predict_file(str(run), Input(tmp_path / "a.txt"), Output(Path("/dev/full")))
    assert "make room" in str(caught.value)
