"""Rows of one file and of several: where they are, which are taken, and how they are joined."""

import pyarrow as pa
import pytest
from datasets import Dataset

from finetune.data.rows import MOST_PARTS, Rows, join
from finetune.errors import UserError


def rows(name: str, *values: str, start: int = 2) -> Rows:
    return Rows(name, {"text": list(values)}, unit="line", numbers=range(start, start + len(values)))


def test_rows_are_found_by_file_and_line() -> None:
    assert rows("a.csv", "x", "y", "z").where([0, 2]) == "a.csv, lines 2, 4"
    assert Rows("hub", {"text": ["x", "y"]}).where([1]) == "hub, row 1 (counted from 0)"


def test_joined_rows_are_found_in_their_own_files() -> None:
    joined = join([rows("a.csv", "x", "y"), rows("b.csv", "z", start=9)])
    assert list(joined.columns["text"]) == ["x", "y", "z"]
    assert joined.where([1, 2]) == "a.csv, line 3; b.csv, line 9"


def test_a_message_names_few_files() -> None:
    joined = join([rows(f"{number}.csv", "x") for number in range(MOST_PARTS + 2)])
    assert joined.where(range(MOST_PARTS + 2)).endswith("; and in 2 more files")


@pytest.mark.parametrize("is_stored", [False, True])
def test_rows_that_are_taken_keep_their_values_and_lines(is_stored: bool) -> None:
    given = rows("a.csv", "x", "y", "z")
    if is_stored:
        stored = Dataset.from_dict(given.columns)
        given = Rows("a.csv", {"text": stored.data.table["text"]}, "line", given.numbers, stored=stored)
    taken = given.take([2, 0])
    found = taken.columns["text"]
    assert (found if isinstance(found, list) else found.to_pylist()) == ["z", "x"]
    assert taken.where([0, 1]) == "a.csv, lines 4, 2"


def test_rows_are_taken_from_several_files() -> None:
    taken = join([rows("a.csv", "x", "y"), rows("b.csv", "z"), rows("c.csv", "q")]).take([1, 3])
    assert taken.columns["text"] == ["y", "q"]
    assert taken.where([0, 1]) == "a.csv, line 3; c.csv, line 2"


def test_another_column_reaches_every_part() -> None:
    changed = join([rows("a.csv", "x"), rows("b.csv", "y")]).with_column("text", [0, 1], ("neg", "pos"))
    assert [part.columns["text"] for part in changed.parts] == [[0], [1]]
    assert changed.class_names == {"text": ("neg", "pos")}
    assert changed.with_column("text", ["a", "b"]).class_names == {}


def test_files_of_different_types_or_classes_are_refused() -> None:
    one = Rows("a.parquet", {"label": pa.chunked_array([pa.array([1])])})
    with pytest.raises(UserError, match="files hold columns of different types") as caught:
        join([one, Rows("b.parquet", {"label": pa.chunked_array([pa.array([["a"]])])})])
    assert caught.value.where == "a.parquet"
    with pytest.raises(UserError, match="files name their classes differently") as caught:
        join([one, Rows("b.parquet", one.columns, class_names={"label": ("neg",)})])
    assert caught.value.where == "a.parquet; b.parquet"
