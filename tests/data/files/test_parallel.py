"""Line-aligned files: rows by line number, whatever a sentence holds."""

import gzip
from pathlib import Path

import pytest

from finetune.data import Field, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("source", "text", "en"), Field("target", "text", "de"))


def read(folder: Path, english: str, german: str) -> list[tuple[str, str]]:
    """Pairs of two files that are train, dev and test at once."""
    (folder / "a.en").write_bytes(english.encode())
    (folder / "a.de.gz").write_bytes(gzip.compress(german.encode()))
    start = str(folder / "a")
    train = load_data(Data(path=start, dev_path=start, test_path=start), FIELDS).train
    return list(zip(train["source"], train["target"], strict=True))


def test_line_n_belongs_to_line_n(tmp_path: Path) -> None:
    assert read(tmp_path, "one\ntwo\n", "eins\nzwei") == [("one", "eins"), ("two", "zwei")]


def test_other_separators_do_not_end_lines(tmp_path: Path) -> None:
    pairs = read(tmp_path, "one\r\ntwo\u2028and\x85more\n", "eins\nzwei\rund mehr\n")
    assert pairs == [("one", "eins"), ("two\u2028and\x85more", "zwei\rund mehr")]


def test_files_of_unequal_length(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unequal length") as caught:
        read(tmp_path, "one\ntwo\n", "eins\nzwei\ndrei\n")
    assert "2 lines in a.en, 3 lines in a.de.gz" in str(caught.value)


def test_empty_lines_name_the_files_and_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 row without text in column 'de'") as caught:
        read(tmp_path, "one\ntwo\n", "eins\n \n")
    assert "a.en" in str(caught.value)
    assert "a.de.gz, line 2" in str(caught.value)
