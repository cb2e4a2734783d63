# ruff: noqa: RUF001 (letters and quotation marks that look alike are what this is about)
"""Damaged text is found, and text that merely looks unusual is not."""

import pytest

from finetune.checking.mojibake import damages, misreading
from finetune.checking.split_view import SplitView
from finetune.data import Field
from finetune.data.rows import Rows

FIELDS = (Field("text", "text", "text"), Field("tokens", "words", "tokens"))
WORDS = ["Seppälä", "don’t", "Straße", "“quoted”", "Привет", "日本語", "🙂"]


def part(texts: list[str], tokens: list[list[str]]) -> SplitView:
    return SplitView.of_rows("train", Rows("my.csv", {"text": texts, "tokens": tokens}), FIELDS)


@pytest.mark.parametrize("word", WORDS)
def test_utf8_that_was_read_as_windows_1252_is_found_and_can_be_undone(word: str) -> None:
    # Bytes that the encoding leaves undefined become the control characters of Latin-1, as browsers have it.
    read = "".join(bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in word.encode())
    found = misreading(f"a {read} b")
    assert found is not None
    assert (found.found, found.meant) == (read, word)


@pytest.mark.parametrize(("word", "encoding"), [("Seppälä", "cp850"), ("café", "mac_roman"), ("Привет", "cp1251")])
def test_utf8_that_was_read_in_other_encodings_is_found(word: str, encoding: str) -> None:
    found = misreading(word.encode().decode(encoding))
    assert found is not None
    assert found.meant == word


def test_line_drawing_that_was_written_in_ascii_is_found() -> None:
    found = misreading("sales of Sepp+ñl+ñ rose")
    assert found is not None
    assert (found.found, found.meant) == ("Sepp+ñl+ñ", "Seppälä")


@pytest.mark.parametrize(
    "text",
    [
        *WORDS,
        "groß“ sagte er",
        "l'été…\xa0»",
        "СССР…»",
        "SÃO PAULO",
        "CAFÉ…",
        "Ärger…",
        "“ä” und ‘ö’",
        "x ≥ 1 ‰, ¬A",
        "español-árabe",
        "C++é",
        "+£50",
        "Ñandú",
        "Ελληνικά",
    ],
)
def test_text_as_people_write_it_is_no_mojibake(text: str) -> None:
    assert misreading(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lost \ufffd letter", "replacement characters"),
        ("rung \x07", "control characters"),
        ("next\x85line", "control characters"),
        ("\ufefffirst", "byte order mark"),
        ("naÃ¯ve", "mojibake"),
    ],
)
def test_every_sort_of_damage_is_told_with_its_row(text: str, problem: str) -> None:
    (in_text,) = damages(part(["fine", text], [["fine"], ["fine"]]))
    (in_words,) = damages(part(["fine", "fine"], [["a", "b"], ["a", text]]))
    for finding, name in ((in_text, "text"), (in_words, "tokens")):
        assert problem in finding.problem
        assert name in finding.problem
        assert finding.where == "my.csv, row 1 (counted from 0)"


def test_tabs_line_breaks_and_words_apart_are_no_damage() -> None:
    assert list(damages(part(["a\tb\r\nc", "é"], [["a", "b"], ["c"]]))) == []
