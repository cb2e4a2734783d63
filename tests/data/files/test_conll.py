"""CoNLL columns: sentences, comments and words that look like them, and errors that name the line."""

from pathlib import Path
from typing import Any

import pytest

from finetune.data import Field, load
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))


def read(path: Path, content: str, fields: tuple[Field, ...] = FIELDS, **options: object) -> list[tuple[Any, Any]]:
    """Words and labels of a file that is train, dev and test at once."""
    path.write_text(content, encoding="utf-8")
    same = {"path": str(path), "dev_path": str(path), "test_path": str(path)}
    train = load(Data.model_validate({**same, **options}), fields).train
    return list(zip(train["tokens"], train["labels"], strict=True))


def test_first_column_is_the_word_and_last_the_label(tmp_path: Path) -> None:
    content = "-DOCSTART- -X- -X- O\n\nIn IN I-PP O\nRome NNP I-NP B-LOC\n\n\nYes UH I-X O"
    assert read(tmp_path / "a.conll", content) == [(["In", "Rome"], ["O", "B-LOC"]), (["Yes"], ["O"])]


def test_column_names_choose_the_columns(tmp_path: Path) -> None:
    fields = (Field("tokens", "words", "word"), Field("labels", "word_labels", "pos"))
    content = "In IN O\nRome NNP B-LOC\n"
    assert read(tmp_path / "a.conll", content, fields, column_names=["word", "pos", "ner"]) == [
        (["In", "Rome"], ["IN", "NNP"])
    ]


def test_words_may_begin_with_the_comment_sign(tmp_path: Path) -> None:
    content = "# id = 7\n#\tO\n#fail\tB-X\n\t\n# text = in Rome\nRome\tB-LOC\n"
    assert read(tmp_path / "a.conll", content) == [(["#", "#fail"], ["O", "B-X"]), (["Rome"], ["B-LOC"])]


def test_words_may_hold_blanks_between_tabs(tmp_path: Path) -> None:
    assert read(tmp_path / "a.conll", "New York\tB-LOC\n") == [(["New York"], ["B-LOC"])]


def test_no_break_space_may_be_a_word(tmp_path: Path) -> None:
    assert read(tmp_path / "a.conll", "a O\n\u00a0 O\n") == [(["a", "\u00a0"], ["O", "O"])]


def test_several_blanks_separate_like_one(tmp_path: Path) -> None:
    assert read(tmp_path / "a.conll", "In    O\nRome  B-LOC \n") == [(["In", "Rome"], ["O", "B-LOC"])]


def test_delimiter_can_be_given(tmp_path: Path) -> None:
    assert read(tmp_path / "a.conll", "New York|B-LOC\n", delimiter="|") == [(["New York"], ["B-LOC"])]


def test_lines_with_another_number_of_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 line with another number of columns") as caught:
        read(tmp_path / "a.conll", "In O\n\nRome B-LOC\nis\n")
    assert "a.conll, line 4" in str(caught.value)
    assert "1 column in line 4" in str(caught.value)


def test_empty_words_and_labels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 lines with an empty word or label") as caught:
        read(tmp_path / "a.conll", "In\tO\n\tO\nRome\t\n")
    assert "lines 2, 3" in str(caught.value)


def test_only_one_column(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only one column"):
        read(tmp_path / "a.conll", "In,O\nRome,B-LOC\n")


def test_column_that_column_names_lack(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'labels'") as caught:
        read(tmp_path / "a.conll", "In O\n", column_names=["tokens", "label"])
    assert "data.columns.labels=label" in str(caught.value)


def test_text_is_not_in_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'text'"):
        read(tmp_path / "a.conll", "In O\n", (Field("text", "text", "text"),))


def test_a_file_of_empty_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no examples"):
        read(tmp_path / "a.conll", "\n\n")
