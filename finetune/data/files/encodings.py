"""Find out the encoding of a text file if the recipe does not say."""

import codecs
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from finetune.data.files.text import TextSource, open_bytes, translated_errors
from finetune.errors import UserError

_EXAMINED = 2**24
"""Bytes at the start of a file that are examined; if the rest is in another encoding, reading it raises an error."""
_SAMPLE = 2**16
"""Bytes by which candidates are compared, from the line of the first byte that is not ASCII."""
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by their byte order marks; UTF-32 comes first, since its mark begins with that of UTF-16."""
_CANDIDATES = 4
"""Encodings that an error message proposes."""
_USUAL = (
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "cp1250", "iso8859_2", "cp1252", "cp1253"),
    *("cp1254", "cp1255", "cp1256", "cp1257", "cp874", "mac_roman", "cp850"),
)
"""Encodings that files are commonly in; only these are proposed."""
_NEIGHBOURS = ("cp1250", "cp1254", "cp1257")
"""Encodings of Latin letters that share many of their bytes with Windows-1252."""
_SMALL = "àáâãäåæçèéêëìíîïñòóôõöøùúûüýœšž"
_CAPITAL = _SMALL.upper()
_SIGNS = "€\u201a„…‰\u2039\u2018\u2019“”•\u2013—™\u203a\xa0¡¢£¥§©ª«®°±²³\u00b4·¹º»¼½¾¿"
_ANY = f"a-zA-Zß{_SMALL}{_CAPITAL}"
_UNLIKELY = re.compile(
    rf"[a-zß{_SMALL}][{_CAPITAL}]"  # a capital letter after a small one
    rf"|[{_ANY}][€\u201a„‰•“”™¡¢£¥§©ª«®±²³¹º»¼½¾¿][{_ANY}]"  # a sign between letters
    rf"|[{_ANY}][\u201a„\u2039«¡¿]"  # an opening sign after a letter
    rf"|[ªº¹²³±¢§\u00b4][{_ANY}]"  # a sign that follows numbers before a letter
    rf"|[ß{_SMALL}{_CAPITAL}]{{3}}"  # many accents in a row
)
_WORDS = """the and was for that with this les des est une pour que dans avec los las del por para como che sono della
uma dos der die das und ist nicht ein eine mit von een het van niet voor och att det som til ikke ett"""
_WESTERN = frozenset(_WORDS.split())
"""Frequent words of languages that are written in Windows-1252, which the languages of its relatives do not have."""


def find_encoding(path: Path) -> str:
    """Return the encoding of a text file: utf-8, utf-16, utf-32 or cp1252.

    Raises:
        UserError: The encoding is another, or is ambiguous; the message shows the text as several encodings read it.
    """
    content = _start(path)
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    if (wide := _wide(content)) is not None:
        return wide
    if _is_utf_8(content):
        return "utf-8"
    if is_windows_1252(content):
        return "cp1252"
    raise _unknown(path, content)


def is_windows_1252(content: bytes) -> bool:
    """Return whether a text is certainly in Windows-1252.

    That is so if all its letters are Western European and stand where letters can, its signs stand where signs can,
    and either the related encodings of Eastern Europe and Turkey give the same text, or it has frequent words of
    Western European languages.
    """
    sample = _around_first(content)
    if not _may_be_windows_1252(sample):
        return False
    text = sample.decode("cp1252")
    if all(sample.decode(name, errors="replace") == text for name in _NEIGHBOURS):
        return True
    words = re.findall(r"\w+", text.lower())
    return len(_WESTERN.intersection(words)) > 2 and not {"ý", "Ý"}.intersection(text)


def _may_be_windows_1252(sample: bytes) -> bool:
    """Return whether a text is plausible in Windows-1252: its letters and signs stand where such can."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    others = {character for character in text if not character.isascii()}
    return others <= set("ß" + _SMALL + _CAPITAL + _SIGNS) and not _UNLIKELY.search(text)


def has_control_bytes(path: Path) -> bool:
    """Return whether a file holds bytes from 0x80 to 0x9f: control characters in Latin-1, signs in cp1252."""
    return re.search(rb"[\x80-\x9f]", _start(path)) is not None


def _start(path: Path) -> bytes:
    with translated_errors(TextSource(path)), open_bytes(path) as file:
        return file.read(_EXAMINED)


def _is_utf_8(content: bytes) -> bool:
    try:  # the last character may have been cut in two
        codecs.getincrementaldecoder("utf-8")().decode(content, final=len(content) < _EXAMINED)
    except UnicodeDecodeError:
        return False
    return True


def _wide(content: bytes) -> str | None:
    """Return which UTF-16 a text without a byte order mark is in; None if it is in neither.

    Every second byte of an ASCII character is 0 in UTF-16.
    """
    start = content[: 2 * (min(len(content), _SAMPLE) // 2)]
    if len(start) < 4 or b"\0" not in start:
        return None
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = start[offset::2].count(0), start[1 - offset :: 2].count(0)
        if not others and zeros > len(start) // 4:
            return encoding
    return None


def _around_first(content: bytes) -> bytes:
    """Return up to 64 KiB of lines, from the first line with a byte that is not ASCII."""
    found = re.search(rb"[\x80-\xff]", content)
    start = 0 if found is None else content.rfind(b"\n", 0, found.start()) + 1
    sample = content[start : start + _SAMPLE]
    return sample if len(sample) < _SAMPLE else sample[: sample.rfind(b"\n") + 1] or sample


def _unknown(path: Path, content: bytes) -> UserError:
    found = re.search(rb"[\x80-\xff]", content)
    assert found is not None
    line = content[: found.start()].count(b"\n") + 1
    readings = dict(_readings(_around_first(content)))
    shown = "; ".join(f"{name} {text!r}" for name, text in readings.items())
    return UserError(
        "the file is not utf-8, and its encoding cannot be told for sure",
        where=f"{path}, line {line}",
        expected="text in utf-8, or data.encoding=...",
        found=f"it would be in {shown}" if readings else "bytes of no text",
        fix=f"data.encoding={next(iter(readings))}, or whichever reads right" if readings else "is it a text file?",
    )


def _readings(sample: bytes) -> Iterator[tuple[str, str]]:
    """Return encodings that a text may be in, the most likely first, and how its start reads in each.

    Of encodings in which it reads the same, the first is returned.
    """
    seen: set[str] = set()
    for encoding in _likely(sample):
        try:
            line = sample.decode(encoding).splitlines()[0]
        except (UnicodeDecodeError, IndexError):
            continue
        first = next((at for at, character in enumerate(line) if not character.isascii()), 0)
        text = line[max(first - 20, 0) : first + 20]
        if text not in seen and len(seen) < _CANDIDATES:
            seen.add(text)
            yield encoding, text


@cache
def _likely(sample: bytes) -> tuple[str, ...]:
    # Imported here because only files in other encodings need it.
    from charset_normalizer import from_bytes

    by_chaos = sorted(from_bytes(sample), key=lambda match: (match.chaos, -match.coherence))
    found = dict.fromkeys(name for match in by_chaos for name in (match.encoding, *match.could_be_from_charset))
    first = ["cp1252"] if _may_be_windows_1252(sample) else []
    return tuple(dict.fromkeys([*first, *(name for name in found if name in _USUAL)]))
