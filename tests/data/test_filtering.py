"""Filters: expressions and functions that keep rows."""

from pathlib import Path

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from finetune.data import Field, load_data
from finetune.data.filtering import Filter
from finetune.data.rows import Rows, join
from finetune.data.stored import rows_from_dataset
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
COLUMNS = {"text": ["good film", "bad", "so so"], "stars": ["5", "1", "3.5"], "year": [1999, 2005, None]}


def kept(text: str, rows: Rows | None = None) -> list[str]:
    given = rows or Rows("my.csv", COLUMNS)
    return list(Filter.of(text).apply(given)[0].columns["text"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stars > 3", ["good film", "so so"]),
        ("stars in [1, 5]", ["good film", "bad"]),
        ("3 <= stars < 4", ["so so"]),
        ("stars == '5'", ["good film"]),
        ("len(text) > 3 and not text.startswith('so')", ["good film"]),
        ("'o' in text or year == 2005", ["good film", "bad", "so so"]),
        ("year is not None and year > 2000", ["bad"]),
        ("row['text'] != 'bad'", ["good film", "so so"]),
        ("text[0] == 'g' if stars > 4 else len(text.split()) == 2", ["good film", "so so"]),
        ("stars != -1", ["good film", "bad", "so so"]),
    ],
)
def test_expressions_keep_what_python_would(text: str, expected: list[str]) -> None:
    assert kept(text) == expected


def test_nested_columns_and_names_of_functions_are_columns() -> None:
    rows = Rows("my.json", {"text": ["a", "b"], "translation.de": ["ja", "Ja"], "len": [1, 2]})
    assert kept("translation.de.islower()", rows) == ["a"]
    assert kept("len == 2", rows) == ["b"]
    assert kept("len(text) == len", rows) == ["a"]


def test_mistakes_in_expressions_are_told_with_a_guess() -> None:
    with pytest.raises(UserError, match=r"did you mean startswith\(\)\?") as caught:
        Filter.of("text.startwith('a')")
    assert "data.filter=text.startwith('a')" in str(caught.value)


def test_rows_on_which_a_filter_fails_are_named() -> None:
    with pytest.raises(UserError, match="fails on a row") as caught:
        kept("year > 2000")
    assert "my.csv, row 2 (counted from 0)" in str(caught.value)
    with pytest.raises(UserError, match="a row holds none") as caught:
        kept("stars > 3", Rows("my.csv", {"text": ["a", "b"], "stars": ["4", "many"]}))
    assert "row 1" in str(caught.value)


def test_a_filter_that_keeps_nothing() -> None:
    with pytest.raises(UserError, match="keeps none of 3 rows"):
        kept("stars > 9")


def test_a_function_reads_the_columns_that_its_arguments_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def keep(stars, year=0):\n    return year == 1999 and stars == '5'\ndef nothing(): ...\n")
    assert Filter.of(f"{path}:keep").columns == ("stars", "year")
    assert kept(f"{path}:keep") == ["good film"]
    with pytest.raises(UserError, match="the function reads no column"):
        Filter.of(f"{path}:nothing")


@pytest.mark.parametrize("stored", [True, False])
def test_classes_are_known_by_name_and_by_number(stored: bool) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    dataset = Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, -1]}, features)
    rows = rows_from_dataset("mine", dataset, FIELDS)
    assert rows.stored is not None
    given = rows if stored else Rows("mine", rows.columns, class_names=rows.class_names)
    for text in ("label == 'good'", "label == 1"):
        taken = Filter.of(text).apply(given)[0]
        assert pa.chunked_array(taken.columns["text"]).to_pylist() == ["b"]
        assert taken.where([0]) == "mine, row 1 (counted from 0)"


def test_rows_keep_their_lines_and_columns_of_the_task_alone_are_loaded(tmp_path: Path) -> None:
    lines = [f"text {number},{'ab'[number % 2]},{number}" for number in range(40)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label,score", *lines]))
    loaded = load_data(Data(path=str(tmp_path / "a.csv"), filter="score >= 10 and label != 'c'"), FIELDS)
    assert loaded.train.column_names == ["id", "text", "label"]
    assert sum(map(len, (loaded.train, loaded.dev, loaded.test))) == 30
    assert f"{tmp_path / 'a.csv'}: data.filter keeps 30 of 40 rows" in loaded.notes
    with pytest.raises(UserError, match="there is no column 'scoer'") as caught:
        load_data(Data(path=str(tmp_path / "a.csv"), filter="scoer > 1"), FIELDS)
    assert "score" in str(caught.value)


def test_a_filter_takes_away_what_would_be_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "good,a\nbad,b\n,c\n" * 10)
    loaded = load_data(Data(path=str(tmp_path / "a.csv"), filter="text != ''"), FIELDS)
    assert loaded.labels["label"] == ("a", "b")


def test_rows_of_several_files_are_told_by_file() -> None:
    parts = [Rows(f"{name}.csv", {"text": [name] * 3}, "line", range(2, 5)) for name in "abcde"]
    whole = join(parts)
    assert len(whole) == 15
    assert whole.where([1, 3, 4]) == "a.csv, line 3; b.csv, lines 2, 3"
    assert whole.where(range(15)).endswith("; and in 2 more files")
    taken = whole.take([2, 14])
    assert taken.columns["text"] == ["a", "e"]
    assert taken.where([1]) == "e.csv, line 4"
