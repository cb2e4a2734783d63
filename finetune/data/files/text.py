"""Text files as lines: decoded, unpacked, and without a byte order mark."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, cast

from finetune.errors import UserError

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_START = 2**16
"""Characters that tell how lines end."""
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_lines(path: Path, encoding: str | None, newline: Literal["", "\n"] = "\n") -> Iterator[str]:
    r"""The lines of a text file, which may be packed by gzip, with their ends.

    Args:
        path: The file.
        encoding: Any that Python knows, utf-8 where None; a byte order mark is skipped.
        newline: "\n" ends lines there alone, so that line numbers of parallel files agree whatever other separators
            (carriage return, U+2028) their sentences hold; "" ends them at carriage returns too. In a file that has
            no "\n", carriage returns end lines in any case.

    Raises:
        UserError: The file is empty, or cannot be opened, unpacked or decoded.
    """
    encoding = encoding or "utf-8"
    try:
        if path.stat().st_size == 0:
            raise UserError("the file is empty", where=str(path))
        with _open(path, encoding, "" if newline == "" or _has_returns_alone(path, encoding) else newline) as file:
            yield from file
    except UnicodeError:
        raise _wrong_encoding(path, encoding) from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError("the file cannot be read", where=str(path), found=f"{type(error).__name__}: {error}") from None


def ends_in_returns(path: Path, encoding: str | None) -> bool:
    """Whether the lines of a text file end with a carriage return alone, as old programs on the Macintosh write them.

    False where the file cannot be read, which is told when its lines are asked for.
    """
    try:
        return _has_returns_alone(path, encoding or "utf-8")
    except (OSError, EOFError, zlib.error, UnicodeError, UserError):
        return False


def _has_returns_alone(path: Path, encoding: str) -> bool:
    """Whether the start of a file holds carriage returns between its lines, and no line feed."""
    with _open(path, encoding, "") as file:
        start = file.read(_START)
    return "\r" in start.rstrip("\r") and "\n" not in start


def has_byte_order_mark(path: Path) -> bool:
    """Whether a text file begins with one."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return file.read(3).startswith(_MARKS)


def _open(path: Path, encoding: str, newline: str) -> IO[str]:
    try:
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        raise UserError(
            f"there is no text encoding {encoding!r}",
            where="data.encoding",
            expected="utf-8, utf-16, latin-1, gb18030, ...",
        ) from None
    opener = gzip.open if path.suffix == ".gz" else open
    return cast(IO[str], opener(path, "rt", encoding="utf-8-sig" if is_utf8 else encoding, newline=newline))


def _wrong_encoding(path: Path, encoding: str) -> UserError:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    likely = "cp1252" if re.search(rb"[\x80-\x9f]", content) else "latin-1"
    likely = "utf-16" if content.startswith(_UTF_16_MARKS) else likely
    return UserError(
        f"the file is not {encoding}",
        where=f"{path}, {_first_wrong_byte(content, encoding)}",
        expected=f"text in {encoding} (data.encoding)",
        fix=f"data.encoding={likely}, or save the file as utf-8",
    )


def _first_wrong_byte(content: bytes, encoding: str) -> str:
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return f"line {line}, byte {error.start:,} of the file (0x{content[error.start]:02x})"
    except UnicodeError as error:
        return str(error)
    return "at its end"
