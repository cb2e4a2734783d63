"""JSON values that are parsed one at a time, from a text of any length.

Python's own parser reads each value. ijson 3.6, which parses streams, refuses NaN, which `json.dump` writes, refuses
integers of more than 64 bits if it is to return floats, and silently replaces half a surrogate pair by a question mark.
"""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

EXTRA_DATA = "Extra data"
"""The reason of `BrokenJson` where a list or value is followed by something else."""

_CHUNK = 2**16
"""Characters that are read at a time."""
_BLANKS = re.compile(r"\s*")
_COMMA = re.compile(r"\s*,\s*")
_FIRST_KEY = re.compile(r'\{\s*"[^"\\]*"')
"""The beginning of an object, up to the name of its first key."""
_BETWEEN = re.compile(r"[\s,]*")
"""What may stand between values that are no list."""


class BrokenJson(Exception):
    """Text that is not valid JSON.

    Args:
        reason: What the parser expected, or what is wrong.
        line: The line of the text, counted from 1.
        column: The character in the line, counted from 1.
        count: How many values were parsed before it.
    """

    def __init__(self, reason: str, line: int, column: int, count: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column
        self.count = count


class JsonStream:
    """The items of a JSON list, or JSON values one after another, of which few are in memory at a time.

    Objects of a list are parsed together as far as they have been read, since each call of Python's parser makes the
    names of their keys anew. Where that fails, they are parsed one by one, which finds the place of an error.

    Args:
        text: The text.
        longest: How many characters of one value are read before it is given up as broken; None for no limit. A string
            that is never closed would otherwise be read to the end of the text.

    Raises:
        BrokenJson: The text is not valid JSON, as `__iter__` and `require_end` find out.
    """

    def __init__(self, text: IO[str], longest: int | None = None) -> None:
        self._text = text
        self._longest = longest
        self._decode = json.JSONDecoder().raw_decode
        self._buffer, self._position, self._is_end = "", 0, False
        self._line, self._column = 1, 0  # the place of the buffer's first character in the text
        self._count = 0
        self._is_tried = False  # whether the buffer's objects were parsed together, or cannot be
        self._allowed_failures = 3  # one more with each success, so that about half the attempts are in vain at most
        self.is_list = self._skip(_BLANKS) == "["

    def __iter__(self) -> Iterator[Any]:
        return self._items() if self.is_list else self._values()

    def require_end(self) -> None:
        """Raise BrokenJson unless blanks alone follow."""
        if self._skip(_BLANKS):
            raise self._broken(EXTRA_DATA, self._position)

    def _items(self) -> Iterator[Any]:
        self._position += 1  # the opening bracket
        next_character = self._skip(_BLANKS)
        while next_character != "]":
            if not self._is_tried:
                yield from self._objects()
            yield self._value()
            comma = _COMMA.match(self._buffer, self._position)  # the usual case, in one step
            if comma is not None and comma.end() < len(self._buffer):
                self._position = comma.end()
            else:  # the list ends, or what follows the item has not been read
                next_character = self._after_item()
        self._position += 1
        self.require_end()

    def _objects(self) -> list[Any]:
        """Return the objects from the position to the last one of the buffer that begins with the same key.

        The position is then at that last one. The cut before it is a guess, which was right if the text up to there is
        one list when it is put in brackets: the last bracket closes the first only where no string and no value is
        open. After a wrong guess no object is returned.
        """
        self._is_tried = True
        first_key = _FIRST_KEY.match(self._buffer, self._position)
        last = -1 if first_key is None else self._buffer.rfind(first_key[0], first_key.end())
        before = "" if last < 0 else self._buffer[self._position : last].rstrip(" \t\n\r")
        if not before.endswith(",") or not self._allowed_failures:
            return []
        text = f"[{before[:-1]}]"
        try:
            objects, end = self._decode(text)
        except (ValueError, RecursionError):
            end = -1
        if end < len(text):
            self._allowed_failures -= 1
            return []
        self._allowed_failures += 1
        self._position, self._count = last, self._count + len(objects)
        return list(objects)

    def _after_item(self) -> str:
        """Go on to the next item, or to the bracket that closes the list; return the character between."""
        found = self._skip(_BLANKS)
        if found == ",":
            self._position += 1
            self._skip(_BLANKS)
        elif found != "]":
            raise self._broken("Expecting ',' delimiter", self._position)
        return found

    def _values(self) -> Iterator[Any]:
        while self._skip(_BETWEEN):
            yield self._value()

    def _value(self) -> Any:
        """Return the value that begins at the position, and read as much as it takes."""
        while True:
            try:
                value, end = self._decode(self._buffer, self._position)
                # A number at the end of the buffer could go on, as 1, "1." and "1e+" do; Python parses 1 in all three.
                if end + 2 < len(self._buffer) or self._is_end:
                    self._position, self._count = end, self._count + 1
                    return value
            except (ValueError, RecursionError) as error:
                length = len(self._buffer) - self._position
                if self._is_end or (self._longest is not None and length > self._longest):
                    raise self._broken_value(error) from None
            self._read_more()

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Go on behind characters that a pattern matches, and return the next one; empty at the end of the text."""
        while True:
            match = pattern.match(self._buffer, self._position)
            assert match is not None  # both patterns match the empty text
            self._position = match.end()
            if self._position < len(self._buffer) or self._is_end:
                return self._buffer[self._position : self._position + 1]
            self._read_more()

    def _read_more(self) -> None:
        """Drop the characters before the position, and read as many as are left, so that long values cost no more."""
        self._line, self._column = self._place(self._position)
        rest = self._buffer[self._position :]
        more = self._text.read(max(_CHUNK, len(rest)))
        self._buffer, self._position, self._is_end = rest + more, 0, not more
        self._is_tried = False

    def _place(self, position: int) -> tuple[int, int]:
        """Return the line of a position in the buffer, and how many characters of the line stand before it."""
        lines = self._buffer.count("\n", 0, position)
        if not lines:
            return self._line, self._column + position
        return self._line + lines, position - self._buffer.rindex("\n", 0, position) - 1

    def _broken(self, reason: str, position: int) -> BrokenJson:
        line, column = self._place(position)
        return BrokenJson(reason, line, column + 1, self._count)

    def _broken_value(self, error: Exception) -> BrokenJson:
        if isinstance(error, json.JSONDecodeError):
            return self._broken(error.msg, error.pos)
        return self._broken(str(error), self._position)  # nested too deeply, or a number of thousands of digits
