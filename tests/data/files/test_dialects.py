"""Delimiters, quotes, line ends and shapes that are found out, and said."""

import csv
from pathlib import Path
from typing import Any

import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError, UserErrors
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "tags"))
ROWS = [(f'a "good, old; film" {number}', "ab"[number % 2]) for number in range(20)]


def write(folder: Path, name: str, delimiter: str, rows: Any = ROWS, quoting: Any = csv.QUOTE_MINIMAL) -> Path:
    with (folder / name).open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([("text", "label"), *rows])
    return folder / name


def read(path: Path, fields: tuple[Field, ...] = FIELDS, **options: Any) -> LoadedData:
    return load_data(Data.model_validate({"path": str(path), **options}), fields)


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.csv", "|"), ("a.tsv", ",")])
@pytest.mark.parametrize("streaming", [False, True])
def test_the_delimiter_is_told_by_the_columns_that_are_asked_for(
    tmp_path: Path, name: str, delimiter: str, streaming: bool
) -> None:
    found = read(write(tmp_path, name, delimiter), streaming=streaming)
    assert found.train["text"][0] == ROWS[0][0]
    assert sum("columns are separated by" in note for note in found.notes) == 1


def test_the_usual_delimiter_is_not_worth_a_word(tmp_path: Path) -> None:
    assert not any("separated" in note for note in read(write(tmp_path, "a.csv", ",")).notes)


def test_the_delimiter_is_told_by_the_number_of_columns_where_they_are_named(tmp_path: Path) -> None:
    lines = [f"a, b, c;{'xy'[number % 2]}\n" for number in range(20)]
    (tmp_path / "a.csv").write_text("".join(lines))
    assert read(tmp_path / "a.csv", column_names=["text", "label"]).train["text"][0] == "a, b, c"


def test_two_delimiters_that_give_as_many_columns_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("".join(f"a, b;{'xy'[number % 2]}\n" for number in range(20)))
    with pytest.raises(UserError, match="cannot be told what separates the columns") as caught:
        read(tmp_path / "a.csv", column_names=["text", "label"])
    assert "by commas ',' and by semicolons ';'" in str(caught.value)
    assert read(tmp_path / "a.csv", column_names=["text", "label"], delimiter=";").train["text"][0] == "a, b"


def test_a_missing_column_is_told_with_the_columns_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(write(tmp_path, "a.csv", ";"), (Field("text", "text", "review"),))
    assert "the columns text, label" in str(caught.value)


def test_a_delimiter_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text/label\n" + "x/a\n" * 20)
    with pytest.raises(UserErrors) as caught:
        read(tmp_path / "a.csv")
    assert "data.delimiter=..." in str(caught.value)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("streaming", [False, True])
def test_quoted_cells_of_a_tsv_are_read_as_quoted(tmp_path: Path, quoting: int, streaming: bool) -> None:
    found = read(write(tmp_path, "a.tsv", "\t", quoting=quoting), streaming=streaming)
    assert found.train["text"][0] == ROWS[0][0]
    assert any("cells are in double quotes" in note for note in found.notes)


def test_quotes_of_a_tsv_are_text_where_they_are(tmp_path: Path) -> None:
    texts = ['"good"', 'a "good" film', '"so" it "is"', 'a 5" screen'] * 5
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "".join(f"{text}\ta\n" for text in texts))
    found = read(tmp_path / "a.tsv")
    assert set(found.train["text"][:]) <= set(texts)
    assert not any("quotes" in note for note in found.notes)


def test_a_tsv_of_which_some_cells_seem_quoted_is_told(tmp_path: Path) -> None:
    texts = ['"a ""good"" film"', 'a "good" film'] * 10
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "".join(f"{text}\ta\n" for text in texts))
    found = read(tmp_path / "a.tsv")
    assert set(found.train["text"][:]) <= set(texts)
    assert any(
        "10 cells are in double quotes with inner ones doubled, and 10 hold quotes" in note for note in found.notes
    )


def test_the_format_that_is_given_reads_quotes_as_they_stand(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "\t")
    assert read(path, format="tsv").train["text"][0].startswith('"a ""good')


def test_backslash_t_is_a_tab(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.tsv", "\t"), format="csv", delimiter="\\t").train["text"][0] == ROWS[0][0]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_carriage_returns_alone_end_lines(tmp_path: Path, name: str) -> None:
    text = "text\tlabel\n" + "x y\ta\n" * 20
    (tmp_path / name).write_bytes(text.replace("\n", "\r").encode())
    found = read(tmp_path / name)
    assert found.train["text"][0] == "x y"
    assert any("lines end with a carriage return alone" in note for note in found.notes)


def test_words_a_line_without_a_header_are_conll_columns_whatever_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("New York\tB-LOC\nis\tO\n\nbig\tO\n\n" * 10)
    found = read(tmp_path / "a.tsv", WORDS)
    assert ["New York", "is"] in found.train["tokens"][:]
    assert any("read as CoNLL columns" in note for note in found.notes)


@pytest.mark.parametrize("text", ["tokens\ttags\na b\tO O\n\nc\tO\n", "a b\tO O\nc\tO\n", "a\tO\tx\n\nb\tO\n"])
def test_a_table_is_a_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    try:
        notes: tuple[str, ...] = read(tmp_path / "a.tsv", WORDS).notes
    except UserError as error:
        notes = (str(error),)
    assert not any("CoNLL" in note for note in notes)
