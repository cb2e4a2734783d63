"""Inputs that are read as the files that the model was trained on."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune.data import Field
from finetune.data.files.bad_rows import BadRow
from finetune.serve import Input, Output, Summary, predict_file
from finetune.serve.as_trained import grouped
from finetune.serve.examples import InputRow
from tests.serve.conftest import Finished, read_jsonl

WORDS = (Field("tokens", "words", "word"),)


def sentences(*rows: Any) -> list[Any]:
    given: Iterator[InputRow] = (InputRow(number, row) for number, row in enumerate(rows, start=2))
    return [row.columns.get("word") for row in grouped(given, "id", WORDS)]


def test_words_are_grouped_as_in_training() -> None:
    rows = [
        {"id": "1", "word": "New York"},
        {"id": "", "word": "is"},
        {"id": None, "word": "big"},
        {"id": 2, "word": "x"},
    ]
    assert sentences(*rows) == [["New York", "is", "big"], ["x"]]


def test_sentences_are_left_as_they_are() -> None:
    assert sentences({"id": 1, "word": ["a", "b"]}, {"id": 1, "word": ["c"]}) == [["a", "b"], ["c"]]
    assert sentences({"word": "a b"}, {"word": "c"}) == ["a b", "c"]


def test_a_row_before_the_first_sentence_and_a_broken_row_are_told() -> None:
    rows = [
        InputRow(2, {"id": "", "word": "a"}),
        InputRow(3, {"id": "1", "word": "b"}),
        InputRow(4, problem=BadRow("broken")),
    ]
    found = list(grouped(iter(rows), "id", WORDS))
    assert found[0].problem is not None
    assert "no sentence in column 'id'" in found[0].problem.reason
    assert [row.columns.get("word") for row in found[1:]] == [["b"], None]


def test_predict_groups_one_word_a_row(finished: Finished, tmp_path: Path) -> None:
    rows = [("1", "red"), ("", "dog"), ("2", "the")]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "tokens"), *rows])
    run = finished("token_classification", "bert")
    overrides = {"data.columns.sentence": "id"}
    summary = predict_file(str(run), Input(tmp_path / "a.csv"), Output(tmp_path / "b.jsonl"), overrides=overrides)
    assert summary == Summary(2, 0)
    (tmp_path / "c.jsonl").write_text('{"tokens": ["red", "dog"]}\n{"tokens": ["the"]}\n')
    predict_file(str(run), Input(tmp_path / "c.jsonl"), Output(tmp_path / "d.jsonl"), overrides=overrides)
    expected = [row["prediction"] for row in read_jsonl(tmp_path / "d.jsonl")]
    assert [row["prediction"] for row in read_jsonl(tmp_path / "b.jsonl")] == expected
    assert [len(labels) for labels in expected] == [2, 1]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", ",")])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_delimiter_and_encoding_are_told_and_said(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, delimiter: str, encoding: str
) -> None:
    text = "a \u201cgreat\u201d, fine; film"
    with (tmp_path / name).open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([("text", "note"), (text, "x")])
    run = finished("text_classification", "bert")
    assert predict_file(str(run), Input(tmp_path / name), Output(tmp_path / "b.jsonl")) == Summary(1, 0)
    assert read_jsonl(tmp_path / "b.jsonl")[0]["text"] == text
    told = capsys.readouterr().err
    assert "columns are separated by" in told
    assert (f"read as {encoding}" in told) == (encoding != "utf-8")


def test_a_table_is_written_with_the_delimiter_that_it_came_with(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text;note\na great film;x\n")
    predict_file(str(finished("text_classification", "bert")), Input(tmp_path / "a.csv"), Output(tmp_path / "b.csv"))
    assert (tmp_path / "b.csv").read_text().startswith("text;note;prediction;")


def changed(run: Path, folder: Path, **data: Any) -> str:
    """The folder of the same run with other keys of its recipe's data section."""
    import yaml

    copy = folder / "run"
    copy.mkdir()
    (copy / "model").symlink_to(run / "model")
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe["data"] |= data
    (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return str(copy)


def test_the_recipe_names_columns_and_delimiter_of_files_without_a_header(finished: Finished, tmp_path: Path) -> None:
    run = changed(finished("text_classification", "bert"), tmp_path, column_names=["label", "text"], delimiter=";")
    (tmp_path / "a.csv").write_text("?;a great film\n?;so dull, so dull\n")
    assert predict_file(run, Input(tmp_path / "a.csv"), Output(tmp_path / "b.jsonl")) == Summary(2, 0)
    assert [row["text"] for row in read_jsonl(tmp_path / "b.jsonl")] == ["a great film", "so dull, so dull"]


def test_the_recipes_encoding_is_used_where_the_file_does_not_show_it(finished: Finished, tmp_path: Path) -> None:
    run = changed(finished("text_classification", "bert"), tmp_path, encoding="cp1251")
    text = "\u041f\u0440\u0438\u0432\u0435\u0442"
    (tmp_path / "a.jsonl").write_bytes(json.dumps({"text": text}, ensure_ascii=False).encode("cp1251") + b"\n")
    assert predict_file(run, Input(tmp_path / "a.jsonl"), Output(tmp_path / "b.jsonl")) == Summary(1, 0)
    assert read_jsonl(tmp_path / "b.jsonl")[0]["text"] == text
