"""JSON lists and lines: nested columns, types, and errors that name the line or row."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from finetune.data import Field, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "tags"))


def read(path: Path, content: str, fields: tuple[Field, ...] = FIELDS) -> list[dict[str, Any]]:
    """Rows, without ids, of a file that is train, dev and test at once."""
    path.write_text(content, encoding="utf-8")
    data = Data(path=str(path), dev_path=str(path), test_path=str(path))
    rows: list[dict[str, Any]] = load_data(data, fields).train.remove_columns("id").to_list()
    return rows


def lines(*rows: object) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def test_list_and_lines_give_the_same_rows(tmp_path: Path) -> None:
    rows = [{"text": "a\nb", "label": "x"}, {"text": "c", "label": "y", "more": 1}]
    assert read(tmp_path / "a.json", json.dumps(rows)) == read(tmp_path / "a.jsonl", lines(*rows) + "\n\n")


def test_dots_reach_into_nested_columns(tmp_path: Path) -> None:
    fields = (Field("source", "text", "translation.en"), Field("target", "text", "a.b.c"))
    row = {"translation": {"en": "house"}, "a": {"b": {"c": "Haus"}}}
    assert read(tmp_path / "a.jsonl", lines(row), fields) == [{"source": "house", "target": "Haus"}]


def test_a_name_with_a_dot_is_a_column_too(tmp_path: Path) -> None:
    fields = (Field("text", "text", "a.b"),)
    assert read(tmp_path / "a.jsonl", lines({"a.b": "x"}), fields) == [{"text": "x"}]


@pytest.mark.parametrize(
    ("values", "names"), [([1, 0], ["1", "0"]), ([True, False], ["true", "false"]), ([1.0], ["1"])]
)
def test_labels_may_be_numbers_or_booleans(tmp_path: Path, values: list[Any], names: list[str]) -> None:
    rows = read(tmp_path / "a.jsonl", lines(*({"text": "a", "label": value} for value in values)))
    assert [row["label"] for row in rows] == names


def test_numbers_in_a_text_column_are_text(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.jsonl", lines({"text": 2012, "label": "x"}, {"text": "a", "label": "x"}))
    assert [row["text"] for row in rows] == ["2012", "a"]


def test_words_and_labels_are_lists(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.jsonl", lines({"tokens": ["in", "Rome", 2], "tags": [0, 1, 0]}), WORDS)
    assert rows == [{"tokens": ["in", "Rome", "2"], "labels": ["0", "1", "0"]}]


def test_words_and_labels_may_be_text_with_blanks(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.jsonl", lines({"tokens": " in  Rome ", "tags": "O B-LOC"}), WORDS)
    assert rows == [{"tokens": ["in", "Rome"], "labels": ["O", "B-LOC"]}]


@pytest.mark.parametrize("value", [["a list"], {"an": "object"}, True])
def test_another_type_where_text_belongs(tmp_path: Path, value: object) -> None:
    fine = {"text": "a", "label": "x"}
    with pytest.raises(UserError, match="1 row with another type than text in column 'text'") as caught:
        read(tmp_path / "a.jsonl", lines(fine, {"text": value, "label": "x"}, fine))
    assert "a.jsonl, line 2" in str(caught.value)
    assert "data.columns.text=" in str(caught.value)


def test_labels_that_mix_numbers_and_words(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": label} for label in ["good", 1, "bad", "good"]]
    with pytest.raises(UserError, match="column 'label' mixes types") as caught:
        read(tmp_path / "a.json", json.dumps(rows))
    assert "row 1 (counted from 0)" in str(caught.value)
    assert "3 x text, 1 x number" in str(caught.value)


def test_fractional_labels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fractional numbers") as caught:
        read(tmp_path / "a.jsonl", lines({"text": "a", "label": 1.0}, {"text": "b", "label": 3.5}))
    assert "line 2" in str(caught.value)


@pytest.mark.parametrize("words", [["a", None], ["a", ["b"]], ["a", 1.5]])
def test_lists_of_more_than_text(tmp_path: Path, words: list[object]) -> None:
    with pytest.raises(UserError, match="hold more than text") as caught:
        read(tmp_path / "a.jsonl", lines({"tokens": words, "tags": ["O", "O"]}), WORDS)
    assert "line 1" in str(caught.value)


def test_words_and_labels_of_different_length(tmp_path: Path) -> None:
    fine, wrong = {"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a", "b"], "tags": ["O"]}
    with pytest.raises(UserError, match="1 row with another number of labels than of words") as caught:
        read(tmp_path / "a.jsonl", lines(fine, wrong), WORDS)
    assert "line 2" in str(caught.value)
    assert "2 words and 1 labels" in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "  \u3000", 7])
def test_rows_without_text_or_with_it(tmp_path: Path, value: object) -> None:
    content = lines({"text": "a", "label": "x"}, {"label": "x"} if value is None else {"text": value, "label": "x"})
    if value == 7:
        assert len(read(tmp_path / "a.jsonl", content)) == 2
        return
    with pytest.raises(UserError, match="1 row without text in column 'text'") as caught:
        read(tmp_path / "a.jsonl", content)
    assert "line 2" in str(caught.value)


def test_rows_without_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 rows without words"):
        read(tmp_path / "a.jsonl", lines({"tokens": [], "tags": ["O"]}, {"tokens": [" "], "tags": ["O"]}), WORDS)


def test_half_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="surrogate") as caught:
        read(tmp_path / "a.jsonl", '{"text": "a", "label": "x"}\n{"text": "\\ud83d", "label": "x"}')
    assert "line 2" in str(caught.value)


def test_missing_column_names_nested_ones(tmp_path: Path) -> None:
    fields = (Field("source", "text", "translation.fr"),)
    with pytest.raises(UserError, match=r"no column 'translation\.fr'") as caught:
        read(tmp_path / "a.jsonl", lines({"translation": {"en": "a", "de": "b"}}), fields)
    assert "translation.en, translation.de" in str(caught.value)


def test_invalid_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="invalid JSON in 2 lines") as caught:
        read(tmp_path / "a.jsonl", '{"text": "a", "label": "x"}\n{"text": \n\n{text}\n')
    assert "lines 2, 4" in str(caught.value)


def test_lines_that_hold_no_object(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no JSON object in 1 line") as caught:
        read(tmp_path / "a.jsonl", '{"text": "a", "label": "x"}\n\n["a", "x"]\n')
    assert "line 3" in str(caught.value)


def test_invalid_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="invalid JSON") as caught:
        read(tmp_path / "a.json", '[{"text": "a"},\n {"text" "b"}]')
    assert "line 2" in str(caught.value)


def test_lines_in_a_json_file_lead_to_jsonl(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.format=jsonl"):
        read(tmp_path / "a.json", lines({"text": "a"}, {"text": "b"}))


def test_an_object_instead_of_a_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no list") as caught:
        read(tmp_path / "a.json", '{"version": 1, "data": []}')
    assert "version, data" in str(caught.value)


def test_a_list_without_rows(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no examples"):
        read(tmp_path / "a.json", "[]")


def test_numbers_step_into_lists(tmp_path: Path) -> None:
    rows = [
        {"data": {"text": f"t{number}"}, "annotations": [{"result": [{"value": {"choices": ["ab"[number % 2]]}}]}]}
        for number in range(20)
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    path = "annotations.0.result.0.value.choices"
    fields = (Field("text", "text", "data.text"), Field("label", "label", f"{path}.0"))
    assert load_data(Data(path=str(tmp_path / "a.json")), fields).train["label"][0] == "a"
    with pytest.raises(UserError) as caught:
        load_data(Data(path=str(tmp_path / "a.json")), (fields[0], Field("label", "label", "label")))
    assert path in str(caught.value), "the path is found"


def test_a_number_beyond_the_list_is_a_missing_value(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": ["x"]}\n{"text": "b", "label": []}\n')
    fields = (Field("text", "text", "text"), Field("label", "label", "label.0"))
    with pytest.raises(UserError, match="1 row without a label"):
        load_data(Data(path=str(tmp_path / "a.jsonl")), fields)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_languages_are_found_in_translation(tmp_path: Path, suffix: str) -> None:
    rows = [{"translation": {"en": f"one {number}", "de": f"eins {number}"}} for number in range(20)]
    path = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        Dataset.from_list(rows).to_parquet(path)
    fields = (Field("source", "text", "en"), Field("target", "text", "de"))
    found = load_data(Data(path=str(path)), fields)
    assert (found.train["source"][0], found.train["target"][0]) == ("one 0", "eins 0")
    assert f"{path}: column 'en' is read from translation.en" in found.notes
