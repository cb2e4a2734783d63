"""From a file to a file: formats, bad rows, interruptions, and what is refused before any work."""

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.cli import main
from finetune.data.files.bad_rows import BadRow
from finetune.data.files.text import STDIN
from finetune.errors import UserError
from finetune.serve import Input, Output, Predictor, Summary, predict_file, writing
from finetune.serve.examples import Example
from finetune.serve.predictions import FormattedPrediction
from tests.serve.conftest import Endless, Finished, Predict, read_jsonl


@pytest.fixture
def run(finished: Finished) -> Path:
    return finished("text_classification", "bert")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_keeps_its_columns_and_gains_ours(run: Path, tmp_path: Path) -> None:
    rows = ["text,note,prediction", 'a great film,"x, y",1', " ,,2", '"an ""awful""\nstory",z,3', "only this"]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    summary = predict_file(str(run), Input(tmp_path / "a.csv"), Output(tmp_path / "b.csv"), scores=True)
    assert summary == Summary(rows=4, bad=2)
    written = table(tmp_path / "b.csv")
    names = ["text", "note", "input_prediction", "prediction", "probabilities.bad", "probabilities.good", "error"]
    assert list(written[0]) == names
    assert [row["input_prediction"] for row in written] == ["1", "2", "3", ""]
    assert written[2]["text"] == 'an "awful"\nstory'
    assert [bool(row["prediction"]) for row in written] == [True, False, True, False]
    assert [row["error"].partition(":")[0] for row in written] == ["", "line 3", "", "line 6"]
    assert float(written[0]["probabilities.bad"]) + float(written[0]["probabilities.good"]) == pytest.approx(1)


def test_formats_agree(run: Path, tmp_path: Path) -> None:
    texts = ["a great film", "the awful story", 'so "dull"']
    (tmp_path / "a.txt").write_text("".join(f"{text}\n" for text in texts))
    (tmp_path / "a.tsv").write_text("text\tid\n" + "".join(f"{text}\t1\n" for text in texts))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    found = []
    for given, wanted in [("a.txt", "b.txt"), ("a.tsv", "c.txt"), ("a.jsonl", "d.txt")]:
        predict_file(str(run), Input(tmp_path / given), Output(tmp_path / wanted))
        found.append((tmp_path / wanted).read_text().splitlines())
    for given, wanted in [("a.txt", "b.csv"), ("a.tsv", "b.tsv"), ("a.tsv", "c.csv")]:
        predict_file(str(run), Input(tmp_path / given), Output(tmp_path / wanted))
        lines = (tmp_path / wanted).read_text()
        read = csv.DictReader(io.StringIO(lines), delimiter="\t" if wanted == "b.tsv" else ",")
        found.append([row["prediction"] for row in read])
    for given, wanted in [("a.txt", "b.jsonl"), ("a.tsv", "c.jsonl")]:
        predict_file(str(run), Input(tmp_path / given), Output(tmp_path / wanted))
        found.append([row["prediction"] for row in read_jsonl(tmp_path / wanted)])
        assert [row["text"] for row in read_jsonl(tmp_path / wanted)] == texts
    assert len({tuple(predictions) for predictions in found}) == 1


def test_words_in_a_table(finished: Finished, tmp_path: Path) -> None:
    tagger = finished("token_classification", "bert")
    (tmp_path / "a.csv").write_text("tokens\nthe red dog\n")
    predict_file(str(tagger), Input(tmp_path / "a.csv"), Output(tmp_path / "b.csv"))
    predict_file(str(tagger), Input(tmp_path / "a.csv"), Output(tmp_path / "b.jsonl"))
    (row,), (expected,) = table(tmp_path / "b.csv"), read_jsonl(tmp_path / "b.jsonl")
    assert row["prediction"].split() == expected["prediction"]
    assert json.loads(row["entities"]) == expected["entities"]


def test_bad_rows_are_told_and_kept_in_their_place(
    run: Path, tmp_path: Path, predict: Predict, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"text": "a great film", "id": 1, "error": "mine"}
    lines = [good, {"text": "", "id": 2}, "[", {"id": 3}, {"text": [1], "id": 4}, good]
    (tmp_path / "a.jsonl").write_text("\n".join(line if line == "[" else json.dumps(line) for line in lines))
    first, *bad, last = predict(run, tmp_path / "a.jsonl", window=2)
    assert first == last
    assert first["input_error"] == "mine"
    assert [answer["prediction"] for answer in bad] == [None] * 4
    assert [answer.get("id") for answer in bad] == [2, None, 3, 4]
    told = capsys.readouterr().err
    for number, answer in enumerate(bad, start=2):
        assert answer["error"].startswith(f"line {number}: ")
        assert f"no prediction: {answer['error']}" in told
    assert "4 of 6 rows of" in told


def test_of_many_bad_rows_the_first_are_told(run: Path, predict: Predict, capsys: pytest.CaptureFixture[str]) -> None:
    answers = predict(run, [{"text": "a great film"}, *[{"text": ""}] * 50])
    told = capsys.readouterr().err
    assert told.count("no prediction: line") < 50
    assert "more rows without a prediction are in the output alone" in told
    assert f"{sum('error' in answer for answer in answers)} of 51 rows" in told


def test_cut_inputs_are_counted(run: Path, predict: Predict, capsys: pytest.CaptureFixture[str]) -> None:
    predict(run, [{"text": "film " * 99}, {"text": "film"}])
    assert "1 input cut" in capsys.readouterr().err


def test_no_rows_give_no_answers(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n")
    assert predict_file(str(run), Input(tmp_path / "a.csv"), Output(tmp_path / "b.csv")) == Summary(0, 0)
    assert (tmp_path / "b.csv").read_text() == "text,prediction,error\n"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ('{"review": "a"}\n{"review": "b"}\n', {}, "there is no column 'text'"),
        ("text,label\na,b\n", {}, "broken JSON"),
        ('{"text": "a"}\n', {"overrides": {"data.columns.txt": "a"}}, "data.columns.text"),
        ('{"text": "a"}\n', {"overrides": {"training.epochs": 1}}, "no meaning for a trained model"),
        ('{"text": "a"}\n', {"overrides": {"task.max_length": 1000}}, "at most 512"),
        ('{"text": "a"}\n', {"kind": "text_to_text"}, "the model is for text classification"),
    ],
)
def test_a_wrong_file_or_call_is_refused_whole(
    run: Path, tmp_path: Path, content: str, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(UserError, match=message):
        predict_file(str(run), Input(tmp_path / "a.jsonl"), Output(tmp_path / "b.jsonl"), **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


def test_an_interrupted_run_leaves_what_is_finished(
    run: Path, tmp_path: Path, endless: Endless, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of rows without an end no more is read than the window at work."""
    windows: list[int] = []

    def interrupted(self: Predictor, examples: Sequence[Example]) -> list[FormattedPrediction | BadRow]:
        windows.append(len(examples))
        if len(windows) == 3:
            raise KeyboardInterrupt
        return [{"prediction": "good"}] * len(examples)

    monkeypatch.setattr(Predictor, "predict", interrupted)
    output = tmp_path / "b.jsonl"
    output.write_text("from before\n")
    with pytest.raises(KeyboardInterrupt):
        predict_file(str(run), Input(None, "jsonl"), Output(output), window=200)
    assert windows == [200] * 3
    assert endless.taken <= 600 * len(endless.line) + 4 * io.DEFAULT_BUFFER_SIZE
    assert output.read_text() == "from before\n"
    assert len(read_jsonl(tmp_path / "b.jsonl.partial")) == 400
    assert f"the first 400 rows are in {tmp_path / 'b.jsonl.partial'}" in capsys.readouterr().err


def test_sigterm_ends_it_and_half_a_window_is_taken_back(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("a great film\n" * 6)
    calls = iter(range(100))
    json_line = writing._json_line

    def told_to_end(*arguments: Any) -> str:
        if next(calls) == 3:
            signal.raise_signal(signal.SIGTERM)
        return json_line(*arguments)

    monkeypatch.setattr(writing, "_json_line", told_to_end)
    before = signal.getsignal(signal.SIGTERM)
    output = tmp_path / "b.jsonl"
    with pytest.raises(SystemExit) as ended:
        predict_file(str(run), Input(tmp_path / "a.txt"), Output(output), window=2)
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(read_jsonl(tmp_path / "b.jsonl.partial")) == 2
    assert not output.exists()
    assert f"the first 2 rows are in {output}.partial, and {output} is not written" in capsys.readouterr().err


def test_json_and_parquet_in_tables_and_lines_out(run: Path, tmp_path: Path) -> None:
    rows = [{"text": "a great film", "day": date(2024, 2, 3), "tags": ["x"]}, {"text": "", "day": None, "tags": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(json.dumps(rows, default=str))
    for given, wanted in (("a.parquet", "b.jsonl"), ("a.parquet", "b.csv"), ("a.json", "c.jsonl")):
        summary = predict_file(str(run), Input(tmp_path / given), Output(tmp_path / wanted))
        assert summary == Summary(rows=2, bad=1)
    assert read_jsonl(tmp_path / "b.jsonl") == read_jsonl(tmp_path / "c.jsonl")
    assert read_jsonl(tmp_path / "b.jsonl")[0]["day"] == "2024-02-03"
    assert read_jsonl(tmp_path / "b.jsonl")[1]["error"].startswith("row 2: no text")
    first, second = table(tmp_path / "b.csv")
    assert (first["day"], first["tags"]) == ("2024-02-03", '["x"]')
    assert (second["tags"], second["prediction"]) == ("", "")


def test_a_table_without_a_header(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,a great film\n2,the awful story\n")
    given, wanted = Input(tmp_path / "a.csv"), Output(tmp_path / "b.csv")
    summary = predict_file(str(run), given, wanted, overrides={"data.column_names": ["id", "text"]})
    assert summary == Summary(rows=2, bad=0)
    assert [row["id"] for row in table(tmp_path / "b.csv")] == ["1", "2"]


def test_the_command_reads_and_writes_streams(run: Path) -> None:
    program = "from finetune.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "predict", str(run), "--format", "text", "--column", "text=text"],
        input="a great film\n\nan awful one\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert [bool(line) for line in done.stdout.splitlines()] == [True, False, True]
    assert "no prediction: line 2: no text" in done.stderr
    assert f"1 of 3 rows of {STDIN}" in done.stderr


def status(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit status of the command, in this process."""
    monkeypatch.setattr(sys, "argv", ["finetune", "predict", *words])
    with pytest.raises(SystemExit) as done:
        main()
    return int(str(done.value.code))


def test_strict_tells_of_bad_rows_by_the_exit_status(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("a great film\n\n")
    words = [str(run), "-i", str(tmp_path / "a.txt"), "-o", str(tmp_path / "b.jsonl"), "--scores"]
    assert status(monkeypatch, *words) == 0
    assert status(monkeypatch, *words, "--strict") == 2
    assert len(read_jsonl(tmp_path / "b.jsonl")) == 2


def test_the_commands_mistakes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mistakes = {
        "holds no model": [str(tmp_path), "--format", "text"],
        "the format is not known": [str(run)],
        "does not say which column": [str(run), "--column", "review"],
        "does not go with this recipe's task": [str(run), "--num-beams", "2", "--format", "text"],
    }
    for message, words in mistakes.items():
        assert status(monkeypatch, *words) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: ")
        assert message in told
