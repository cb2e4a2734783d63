"""Text files as lines: decoded, unpacked, and without a byte order mark."""

import codecs
import gzip
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, TypeVar, cast

from finetune.data.files.options import RECIPE_KEYS, OptionNames
from finetune.errors import UserError

STDIN = "standard input"

ItemT = TypeVar("ItemT")
Newline: TypeAlias = Literal["", "\n"]

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_START = 2**16
"""Characters at the start of a file that are searched for line ends."""


@dataclass(frozen=True)
class TextSource:
    """A text file, or standard input, and how its bytes are decoded.

    Args:
        path: The file, which is unpacked by gzip if its name ends in `.gz`; None for standard input.
        encoding: Any encoding that Python knows; a byte order mark at the start is skipped.
        errors: What becomes of bytes that are not in the encoding: "strict" refuses the file, "surrogateescape"
            replaces each such byte by a character between U+DC80 and U+DCFF (PEP 383).
        options: How messages name the options of the entrance that reads the file.
    """

    path: Path | None
    encoding: str = "utf-8"
    errors: Literal["strict", "surrogateescape"] = "strict"
    options: OptionNames = RECIPE_KEYS

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return STDIN if self.path is None else str(self.path)


def read_lines(path: Path, encoding: str | None, newline: Newline = "\n") -> Iterator[str]:
    r"""Return the lines of a text file with their line ends.

    Args:
        path: The file, which is unpacked by gzip if its name ends in `.gz`.
        encoding: Any encoding that Python knows, utf-8 if None; a byte order mark is skipped.
        newline: "\n" ends lines there alone, so that line numbers of parallel files agree whatever other separators
            (carriage return, U+2028) their sentences hold; "" ends them at carriage returns too. In a file that has
            no "\n", carriage returns end lines in any case.

    Raises:
        UserError: The file is empty, or cannot be opened, unpacked or decoded.
    """
    source = TextSource(path, encoding or "utf-8")
    with translated_errors(source), open_text(source, newline) as text:
        yield from text


@contextmanager
def open_bytes(path: Path | None) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, unpacked if its name ends in `.gz`.

    Args:
        path: The file; None for standard input, which is left open.

    Raises:
        OSError: The file cannot be opened.
    """
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        opened = path.open("rb")
    except ValueError as error:  # the name holds a NUL
        raise OSError(f"no file can have this name: {error}") from error
    with opened as file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast(IO[bytes], unpacked)


@contextmanager
def open_text(source: TextSource, newline: Newline = "\n") -> Iterator[TextIOWrapper]:
    """Open a source for reading text.

    Errors while the text is read are those of Python; `translated_errors` and `guarded` make `UserError` of them.

    Args:
        source: The source.
        newline: Where lines end, as in `read_lines`.

    Raises:
        UserError: The file cannot be opened or unpacked, is empty while `source.errors` is "strict", or the encoding
            does not exist or is clearly another.
    """
    with ExitStack() as stack:
        with translated_errors(source):
            _refuse_empty(source)
            file = stack.enter_context(open_bytes(source.path))
            codec = _codec(source, file)
            newline = "" if newline == "" or _has_returns_alone(source) else newline
            text = TextIOWrapper(cast(Any, file), encoding=codec, errors=source.errors, newline=newline)
        stack.callback(_release, text)
        yield text


def guarded(items: Iterable[ItemT], source: TextSource) -> Iterator[ItemT]:
    """Return items that are read from a source, with `UserError` in place of Python's errors while they are read."""
    with translated_errors(source):
        # `yield from` would close a text, and standard input with it, when this generator is closed.
        for item in items:  # noqa: UP028
            yield item


@contextmanager
def translated_errors(source: TextSource) -> Iterator[None]:
    """Turn errors of reading a source into `UserError`.

    It must not surround the work of a caller who writes files at the same time, whose errors it would translate, too.

    Raises:
        UserError: The source cannot be opened, unpacked or decoded.
    """
    try:
        yield
    except UnicodeError as error:
        raise _wrong_encoding(source, error) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            "the file cannot be unpacked",
            where=source.name,
            expected="a file packed by gzip; one that is damaged or cut short cannot be read",
            found=f"{type(error).__name__}: {error}",
        ) from None
    except OSError as error:
        raise UserError(
            "the file cannot be read", where=source.name, found=f"{type(error).__name__}: {error}"
        ) from None


def ends_in_returns(path: Path, encoding: str | None) -> bool:
    """Return whether the lines of a text file end with a carriage return alone, as on the first Macintosh computers.

    False if the file cannot be read: whoever reads its lines raises the error.
    """
    try:
        return _has_returns_alone(TextSource(path, encoding or "utf-8"))
    except (OSError, EOFError, zlib.error, UnicodeError, UserError):
        return False


def has_byte_order_mark(path: Path) -> bool:
    """Return whether a text file begins with a byte order mark of UTF-8 or UTF-16."""
    with open_bytes(path) as file:
        return file.read(3).startswith(_MARKS)


def _release(text: TextIOWrapper) -> None:
    """Leave the file below a text open, which `open_bytes` closes if it is not standard input."""
    if not text.closed:
        text.detach()


def _refuse_empty(source: TextSource) -> None:
    if source.errors == "strict" and source.path is not None and source.path.stat().st_size == 0:
        raise UserError("the file is empty", where=source.name)


def _has_returns_alone(source: TextSource) -> bool:
    """Return whether the start of a file has carriage returns between its lines, and no line feed."""
    if source.path is None or not source.path.is_file():  # standard input and pipes can be read only once
        return False
    with open_text(source, newline="") as text:
        start = text.read(_START)
    return "\r" in start.rstrip("\r") and "\n" not in start


def _codec(source: TextSource, file: IO[bytes]) -> str:
    """Return the name of the codec that decodes a source and skips its byte order mark."""
    try:
        "a".encode(source.encoding)  # fails for codecs of Python that are no text encodings, such as rot13
        is_utf8 = codecs.lookup(source.encoding).name == "utf-8"
    except (LookupError, ValueError):
        raise UserError(
            f"there is no text encoding {source.encoding!r}",
            where=source.options.name("encoding"),
            expected="utf-8, utf-16, latin-1, gb18030, ...",
        ) from None
    start: bytes = cast(Any, file).peek(2)[:2]
    if is_utf8 and start in _UTF_16_MARKS:
        raise UserError(
            f"the file is not {source.encoding}",
            where=source.name,
            expected=f"text in {source.encoding} ({source.options.name('encoding')})",
            found="the byte order mark of utf-16",
            fix=f"{source.options.assign('encoding', 'utf-16')}, or save the file as utf-8",
        )
    return "utf-8-sig" if is_utf8 else source.encoding


def _wrong_encoding(source: TextSource, error: UnicodeError) -> UserError:
    """Return the error for bytes that are not in the encoding, with their place if the file can be read again."""
    place, likely = str(error), "latin-1"
    if source.path is not None and source.path.is_file():
        # Bytes of a damaged file packed by gzip can be unpacked up to the damage, and then not be text.
        with translated_errors(source), open_bytes(source.path) as file:
            content = file.read()
        place = _first_wrong_byte(content, source.encoding)
        likely = "cp1252" if re.search(rb"[\x80-\x9f]", content) else "latin-1"
    return UserError(
        f"the file is not {source.encoding}",
        where=f"{source.name}, {place}",
        expected=f"text in {source.encoding} ({source.options.name('encoding')})",
        fix=f"{source.options.assign('encoding', likely)}, or save the file as utf-8",
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
