"""CoNLL columns: sentences, comments and words that look like them, and errors that name the line."""

from pathlib import Path
from typing import Any

import pytest

from finetune.data import Field, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))


def read(path: Path, content: str, fields: tuple[Field, ...] = FIELDS, **options: object) -> list[tuple[Any, Any]]:
    """Words and labels of a file that is train, dev and test at once."""
    path.write_text(content, encoding="utf-8")
    same = {"path": str(path), "dev_path": str(path), "test_path": str(path)}
    train = load_data(Data.model_validate({**same, **options}), fields).train
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


def test_comments_may_have_as_many_blanks_as_there_are_columns(tmp_path: Path) -> None:
    content = "# s0\nIn O\nRome B-LOC\n\n# s1\n# b\n# B-LOC\n#fail O\n# rest\nyes O\n"
    assert read(tmp_path / "a.conll", content) == [
        (["In", "Rome"], ["O", "B-LOC"]),
        (["#", "#fail", "#", "yes"], ["B-LOC", "O", "rest", "O"]),
    ]
    content = "# id 7 domain=en\nIn IN _ O\n\n# x y B-ORG\nRome NNP _ B-LOC\n"
    assert read(tmp_path / "a.conll", content) == [(["In"], ["O"]), (["#", "Rome"], ["B-ORG", "B-LOC"])]


def test_a_first_column_that_counts_holds_no_words(tmp_path: Path) -> None:
    content = "#\thttp://x/0\t[2009]\n1\tIn\tO\tO\n2\tRome\tB-LOC\tB-X\n\n1\tYes\tO\tO\n"
    assert read(tmp_path / "a.conll", content) == [(["In", "Rome"], ["O", "B-X"]), (["Yes"], ["O"])]
    numbers = "1\ta\tO\n3\tb\tO\n"
    assert read(tmp_path / "a.conll", numbers) == [(["1", "3"], ["O", "O"])]


def test_numbers_and_nothing_else_than_labels_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the first column counts the words of each sentence"):
        read(tmp_path / "a.conll", "1 O\n2 B-LOC\n")
    fields = (Field("tokens", "words", "word"), Field("labels", "word_labels", "ner"))
    named = read(tmp_path / "a.conll", "1 O\n2 B-LOC\n", fields, column_names=["word", "ner"])
    assert named == [(["1", "2"], ["O", "B-LOC"])]


CONLLU = """# sent_id = 0
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\tO\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tO\t_\t1\tobj\t_\t_
2.1\tellipsis\t_\t_\t_\t_\t_\t_\t_\t_
3\tRoma\tRoma\tPROPN\tB-LOC\t_\t1\tobl\t_\t_

"""


def test_conllu_is_read_without_ranges_and_empty_nodes(tmp_path: Path) -> None:
    fields = (FIELDS[0], Field("labels", "word_labels", "upos"))
    words = ["vamos", "nos", "Roma"]
    assert read(tmp_path / "a.conllu", CONLLU, fields) == [(words, ["VERB", "PRON", "PROPN"])]
    fields = (Field("tokens", "words", "form"), Field("labels", "word_labels", "ner"))
    names = ["i", "form", "lemma", "upos", "ner", "feats", "head", "dep", "deps", "misc"]
    assert read(tmp_path / "a.conllu", CONLLU, fields, column_names=names) == [(words, ["O", "O", "B-LOC"])]


def test_conllu_does_not_tell_which_column_holds_the_labels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no column 'labels'") as caught:
        read(tmp_path / "a.conllu", CONLLU)
    assert "upos, xpos" in str(caught.value.found)
