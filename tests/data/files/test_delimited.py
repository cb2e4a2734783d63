"""csv and tsv: cells and lines as they stand, and errors that name the line."""

import gzip
from pathlib import Path

import pytest

from finetune.data import Field, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))


def read(path: Path, content: str, **options: object) -> list[tuple[str, str]]:
    """Texts and labels of a file that is train, dev and test at once."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_bytes(content.encode())
    same = {"path": str(path), "dev_path": str(path), "test_path": str(path)}
    train = load_data(Data.model_validate({**same, **options}), FIELDS).train
    return list(zip(train["text"], train["label"], strict=True))


def test_csv_cells_in_quotes_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    content = 'id,text,label\n1,"a, ""b""\nc",yes\n\n2, d ,no\n'
    assert read(tmp_path / "a.csv", content) == [('a, "b"\nc', "yes"), (" d ", "no")]


def test_tsv_quotes_are_ordinary_characters(tmp_path: Path) -> None:
    content = 'text\tlabel\r\n"open quote\tyes\r\nsays "x" and, y\tno\r\n'
    assert read(tmp_path / "a.tsv", content) == [('"open quote', "yes"), ('says "x" and, y', "no")]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_byte_order_mark_is_skipped(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, "\ufefftext,label\na,b\n") == [("a", "b")]


def test_files_without_header_take_column_names(tmp_path: Path) -> None:
    assert read(tmp_path / "a.tsv", "good\t1\n", column_names=["text", "label"]) == [("good", "1")]


def test_delimiter_can_be_given(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "text;label\na,b;c\n", delimiter=";") == [("a,b", "c")]
    assert read(tmp_path / "a.txt", "text||label\na|b||c\n", delimiter="||", format="tsv") == [("a|b", "c")]


def test_numbers_in_a_text_column_are_text(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "text,label\nword,1\n2012,0\n") == [("word", "1"), ("2012", "0")]


def test_articles_longer_than_the_csv_module_allows_are_read(tmp_path: Path) -> None:
    article = "word " * 50_000
    assert read(tmp_path / "a.csv", f"text,label\n{article},x\n") == [(article, "x")]


def test_missing_column_names_those_found_and_the_likely_one(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path / "a.csv", "text,labels,id\na,b,1\n")
    message = str(caught.value)
    assert "no column 'label'" in message
    assert "text, labels, id" in message
    assert "data.columns.label=labels" in message
    assert message.count("no column") == 1, "three splits share one mistake"


def test_header_of_data_leads_to_column_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.column_names=") as caught:
        read(tmp_path / "a.tsv", "a fine film\t1\nnot so\t0\n")
    assert "a fine film" in str(caught.value)


def test_single_column_leads_to_the_delimiter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.delimiter"):
        read(tmp_path / "a.csv", "text~label\na~b\n")


def test_column_that_occurs_twice(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'label' occurs twice"):
        read(tmp_path / "a.csv", "text,label,label\na,b,c\n")


@pytest.mark.parametrize(("name", "comma"), [("a.csv", ","), ("a.tsv", "\t")])
def test_ragged_rows_name_their_lines_and_number(tmp_path: Path, name: str, comma: str) -> None:
    rows = ["text,label", "fine,x", "a,b,c", "short", *["one,two,three"] * 9]
    with pytest.raises(UserError, match="11 rows with another number of cells") as caught:
        read(tmp_path / name, "\n".join(rows).replace(",", comma))
    assert "lines 3, 4, 5, 6, 7 and 6 more" in str(caught.value)
    assert "3 cells in line 3" in str(caught.value)


def test_line_numbers_count_line_breaks_in_cells(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.csv, line 5\n") as caught:
        read(tmp_path / "a.csv", 'text,label\n"one\ntwo\nthree",x\n,y\n')
    assert "without text" in str(caught.value)


def test_quote_that_never_closes_names_the_line_where_its_row_begins(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="quoting is broken") as caught:
        read(tmp_path / "a.csv", 'text,label\na,b\n"open,c\nd,e\n')
    assert "line 3" in str(caught.value)


def test_csv_delimiter_of_several_characters(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one character"):
        read(tmp_path / "a.csv", "text||label\na||b\n", delimiter="||")
