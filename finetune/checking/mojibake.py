"""Warnings of damaged text: text that was decoded with the wrong encoding (mojibake), and invisible characters.

UTF-8 text that was decoded with an older encoding has several characters in place of one ("SeppÃ¤lÃ¤"). It is found by
reversing the mistake: a sequence of characters is encoded with the old encoding, and the bytes are valid UTF-8.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import pyarrow.compute as pc

from finetune.checking.split_view import SplitView, excerpt
from finetune.data.messages import plural
from finetune.errors import UserError

_UNUSUAL = r"[^\x20-\x7e]"
"""A pattern of characters beyond printable ASCII. Texts without any are not damaged."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1e\x7f-\x9f]")
"""Control characters (C0 and C1), except tab, line feed, carriage return, and the unit separator between words."""

_LATIN_CONTROL = re.compile(r"[\x80-\x9f]")
"""The characters that quotation marks, dashes and the euro sign of Windows-1252 become when decoded as Latin-1."""


def damages(part: SplitView) -> Iterator[UserError]:
    """Yield a warning for each column and kind of damage."""
    for name, column in part.columns.items():
        suspects = pc.indices_nonzero(pc.match_substring_regex(column, _UNUSUAL)).to_pylist()
        texts = {index: column[index].as_py() for index in suspects}
        for sort in (_replaced, _marks, _controls, _misread):
            yield from sort(part, name, texts)


def _replaced(part: SplitView, name: str, texts: Mapping[int, str]) -> Iterator[UserError]:
    rows = [index for index, text in texts.items() if "\ufffd" in text]
    if rows:
        yield UserError(
            f"{plural(len(rows), 'row')} with replacement characters (U+FFFD) in {name}: letters are lost",
            where=part.where(rows),
            found=_around(texts[rows[0]], texts[rows[0]].index("\ufffd")),
            fix="make the file again from its source, in the right encoding",
        )


def _marks(part: SplitView, name: str, texts: Mapping[int, str]) -> Iterator[UserError]:
    rows = [index for index, text in texts.items() if "\ufeff" in text]
    if rows:
        yield UserError(
            f"{plural(len(rows), 'row')} with a byte order mark (U+FEFF) in the {name} itself",
            where=part.where(rows),
            found=_around(texts[rows[0]], texts[rows[0]].index("\ufeff")),
            fix="remove it; files that each begin with one may have been joined",
        )


def _controls(part: SplitView, name: str, texts: Mapping[int, str]) -> Iterator[UserError]:
    found = {index: match for index, text in texts.items() if (match := _CONTROL.search(text))}
    if found:
        first, match = next(iter(found.items()))
        yield UserError(
            f"{plural(len(found), 'row')} with control characters in {name}",
            where=part.where(list(found)),
            found=_around(texts[first], match.start()),
            fix="data.encoding=cp1252, where the file is from Windows and was read as latin-1; or remove them"
            if _LATIN_CONTROL.search(texts[first])
            else "remove them",
        )


def _misread(part: SplitView, name: str, texts: Mapping[int, str]) -> Iterator[UserError]:
    found = {index: mistake for index, text in texts.items() if (mistake := misreading(text))}
    if found:
        mistake = next(iter(found.values()))
        yield UserError(
            f"{plural(len(found), 'row')} with broken encoding (mojibake) in {name}",
            where=part.where(list(found)),
            found=f"{excerpt([mistake.found])}, which was {excerpt([mistake.meant])} once",
            fix=f"make the file again: UTF-8 was read as {mistake.encoding}",
        )


def _around(text: str, position: int) -> str:
    return ascii(text[max(position - 20, 0) : position + 20].replace("\x1f", " "))


@dataclass(frozen=True)
class Mojibake:
    """A word of UTF-8 text that was decoded with another encoding.

    Args:
        found: The word as it is.
        meant: The word decoded as UTF-8.
        encoding: The name of the encoding with which it was decoded.
    """

    found: str
    meant: str
    encoding: str


def misreading(text: str) -> Mojibake | None:
    """Return the first word of a text that looks like UTF-8 decoded with another encoding, or None."""
    for encoding, (pattern, table) in _ENCODINGS.items():
        if match := pattern.search(text):
            start = max(text.rfind(" ", 0, match.start()), text.rfind("\x1f", 0, match.start())) + 1
            ends = [end for end in (text.find(" ", match.end()), text.find("\x1f", match.end())) if end >= 0]
            word = text[start : min(ends, default=len(text))]
            meant = pattern.sub(partial(_decoded, table=table), word)
            if meant != word:
                return Mojibake(word, meant, encoding)
    return None


def _decoded(found: re.Match[str], table: Mapping[str, int]) -> str:
    characters = found.group()
    try:
        text = bytes(table[character] for character in characters).decode()
    except UnicodeDecodeError:
        return characters
    return text if text.isprintable() or text == "\xa0" else characters


def _bytes_of(encoding: str) -> dict[str, int]:
    """Return the bytes from 0x80 on by their characters; undefined bytes are the control characters of Latin-1."""
    table = {chr(byte): byte for byte in range(0x80, 0xA0)} if encoding == "cp1252" else {}
    for byte in range(0x80, 0x100):
        character = bytes([byte]).decode(encoding, errors="ignore")
        if character:
            table[character] = byte
    return table


def _pattern(table: Mapping[str, int], short: str) -> re.Pattern[str]:
    """Return a pattern of characters whose bytes are valid UTF-8.

    It matches two or more sequences of UTF-8 in a row. A single sequence matches only where it encodes punctuation
    (0xE2) or an emoji (0xF0), or begins with one of the characters `short`, which are rare elsewhere. Other single
    sequences may be correct text: an eszett before a quotation mark, or an e with an accent before an ellipsis and a
    guillemet.

    Args:
        table: The bytes of the encoding by their characters.
        short: Characters that begin a sequence of two bytes and are rare elsewhere.
    """

    def group(first: int, last: int) -> str:
        return "[" + "".join(re.escape(character) for character, byte in table.items() if first <= byte <= last) + "]"

    rest = group(0x80, 0xBF)
    sequence = f"(?:{group(0xC2, 0xDF)}{rest}|{group(0xE0, 0xEF)}{rest}{{2}}|{group(0xF0, 0xF4)}{rest}{{3}})"
    alone = f"{group(0xE2, 0xE2)}{rest}{{2}}|{group(0xF0, 0xF0)}{rest}{{3}}|[{re.escape(short)}]{rest}"
    return re.compile(f"(?:{sequence}{{2,}}|{alone})")


def _encodings() -> Iterator[tuple[str, tuple[re.Pattern[str], Mapping[str, int]]]]:
    for name, encoding, short in (
        ("Windows-1252 or Latin-1", "cp1252", "ÂÃÄÅ"),
        ("code page 850 (DOS)", "cp850", "┬├"),
        ("Mac Roman", "mac_roman", "√¬"),
    ):
        table = _bytes_of(encoding)
        yield name, (_pattern(table, short), table)
    # Only Cyrillic: in UTF-8 its letters begin with 0xD0 or 0xD1, which are letters in Windows-1251. Russian text does
    # not have them before such signs twice in a row.
    cyrillic = _bytes_of("cp1251")
    rest = "".join(re.escape(character) for character, byte in cyrillic.items() if byte < 0xC0)
    yield "Windows-1251", (re.compile(f"(?:[РС][{rest}]){{2,}}"), cyrillic)  # noqa: RUF001
    # Box-drawing characters that were later converted to ASCII: "ä" became "├ñ", and then "+ñ".
    dos = _bytes_of("cp850")
    letters = "".join(re.escape(letter) for letter, byte in dos.items() if byte < 0xC0 and letter.isalpha())
    yield "code page 850 (DOS), without its line drawing", (re.compile(rf"(?<!\+)\+[{letters}]"), dos | {"+": 0xC3})


_ENCODINGS = dict(_encodings())
