"""Text that was damaged on its way: read in the wrong encoding, or with characters that nobody sees.

Text in UTF-8 that a program has read as if it were in an older encoding is still there, letter by letter in another
guise ("SeppÃ¤lÃ¤"). It is found by undoing the mistake: characters that stand for bytes in the old encoding, and whose
bytes are UTF-8.
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
"""What a text without damage may have, too; others need no look."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1e\x7f-\x9f]")
"""C0 and C1, but for tab, line feed, carriage return, and the unit separator between words."""

_LATIN_CONTROL = re.compile(r"[\x80-\x9f]")
"""Quotation marks, dashes and the euro sign of Windows-1252, where it is read as Latin-1."""


def damages(part: SplitView) -> Iterator[UserError]:
    """One finding for each column and sort of damage."""
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
            fix="remove it; files that begin with one were joined, perhaps",
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
    """A word that was UTF-8 and was read as something else."""

    found: str
    meant: str
    encoding: str


def misreading(text: str) -> Mojibake | None:
    """The first word of a text that looks like UTF-8 read in another encoding, or None."""
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
    """The upper half of an encoding; bytes that it leaves undefined stand for the control characters of Latin-1."""
    table = {chr(byte): byte for byte in range(0x80, 0xA0)} if encoding == "cp1252" else {}
    for byte in range(0x80, 0x100):
        character = bytes([byte]).decode(encoding, errors="ignore")
        if character:
            table[character] = byte
    return table


def _pattern(table: Mapping[str, int], short: str) -> re.Pattern[str]:
    """Characters that stand for UTF-8.

    A run of two characters or more, whatever they are; one alone where it is punctuation (0xE2), an emoji (0xF0), or
    begins with one of `short`, which are seldom used otherwise. Any other might be meant: an eszett before a quotation
    mark, an e with an accent before dots and a guillemet.
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
    # Cyrillic alone: its letters are the leading bytes of two, which Russian never puts before such signs in a row.
    cyrillic = _bytes_of("cp1251")
    rest = "".join(re.escape(character) for character, byte in cyrillic.items() if byte < 0xC0)
    yield "Windows-1251", (re.compile(f"(?:[РС][{rest}]){{2,}}"), cyrillic)  # noqa: RUF001
    # Box-drawing characters that were then written in ASCII: "+ñ" for "├ñ" for "ä".
    dos = _bytes_of("cp850")
    letters = "".join(re.escape(letter) for letter, byte in dos.items() if byte < 0xC0 and letter.isalpha())
    yield "code page 850 (DOS), without its line drawing", (re.compile(rf"(?<!\+)\+[{letters}]"), dos | {"+": 0xC3})


_ENCODINGS = dict(_encodings())
