"""Rows that the recipe's filter keeps: an expression over columns, or a function of the user's."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.data.expressions import compile_expression
from finetune.data.functions import failure, find_function
from finetune.data.messages import plural
from finetune.data.rows import Rows
from finetune.errors import UserError
from finetune.recipe.code import parse_reference

_KEY = "data.filter"


@dataclass(frozen=True)
class Filter:
    """Which rows are kept.

    Args:
        text: As the recipe gives it.
        columns: The columns that it reads.
        keeps: Says of the values of those columns, in that order, whether their row is kept.
        numbers: Those of the columns that it compares with numbers: text there is read as the number that it writes.
    """

    text: str
    columns: tuple[str, ...]
    keeps: Callable[..., Any]
    numbers: frozenset[str] = frozenset()

    @property
    def version(self) -> str:
        """The text of the filter with the code of its function's file, which tell it from other filters."""
        if parse_reference(self.text) is None:
            return self.text
        path = inspect.getsourcefile(find_function(self.text, _KEY))
        return f"{self.text} {Path(path).read_text(encoding='utf-8') if path else ''}"

    @classmethod
    def of(cls, text: str) -> "Filter":
        """Read a recipe's filter.

        Raises:
            UserError: It is no expression that may be used here, or the function cannot be found or called.
        """
        return _of_expression(text) if parse_reference(text) is None else _of_function(text)

    def apply(self, rows: Rows) -> tuple[Rows, str]:
        """Return the rows that are kept, and a note on how many those are.

        Raises:
            UserError: It fails on a row, or keeps none.
        """
        kept = self._indices(rows)
        if not kept:
            raise UserError(f"{_KEY} keeps none of {plural(len(rows), 'row')}", where=rows.name, found=self.text)
        return rows.take(kept), f"{rows.name}: {_KEY} keeps {len(kept):,} of {plural(len(rows), 'row')}"

    def select(self, rows: Rows) -> Rows:
        """Return the rows that are kept, which may be none.

        Raises:
            UserError: It fails on a row.
        """
        return rows.take(self._indices(rows))

    def _indices(self, rows: Rows) -> list[int]:
        columns = [self._values(rows, column) for column in self.columns]
        kept, index = [], 0
        try:
            for index, values in enumerate(zip(*columns, strict=True)):
                if self.keeps(*values):
                    kept.append(index)
        except Exception as error:
            raise failure(f"{_KEY} fails on a row", f"{_KEY}={self.text}; {rows.where([index])}", error) from error
        return kept

    def _values(self, rows: Rows, column: str) -> Sequence[Any]:
        """Return a column's values, with class numbers as class names unless they are compared with numbers."""
        values = rows.columns[column]
        objects: list[Any] = values if isinstance(values, list) else values.to_pylist()
        if column in self.numbers:
            return self._read_numbers(objects, rows, column)
        names = rows.class_names.get(column)
        if names is None or any(isinstance(value, list) for value in objects):
            return objects
        return [names[value] if value is not None and 0 <= value < len(names) else None for value in objects]

    def _read_numbers(self, values: Sequence[Any], rows: Rows, column: str) -> list[Any]:
        read: list[Any] = []
        for index, value in enumerate(values):
            try:
                read.append(float(value) if isinstance(value, str) else value)
            except ValueError:
                raise UserError(
                    f"{_KEY} compares column {column!r} with a number, and a row holds none",
                    where=rows.where([index]),
                    found=repr(value),
                    fix=f"compare with text ({column} == {value!r}), or correct the row",
                ) from None
        return read


def _of_function(text: str) -> Filter:
    function = find_function(text, _KEY)
    parameters = inspect.signature(function).parameters.values()
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    if not named:
        raise UserError(
            "the function reads no column",
            where=f"{_KEY}={text}",
            expected="arguments named as the columns that it reads: def keep(text, label)",
            found=f"{text.rpartition(':')[2]}{inspect.signature(function)}",
        )
    return Filter(text, tuple(named), lambda *values: function(**dict(zip(named, values, strict=True))))


def _of_expression(text: str) -> Filter:
    try:
        expression = compile_expression(text)
    except ValueError as error:
        raise UserError(
            f"the filter cannot be used: {error}",
            where=f"{_KEY}={text}",
            expected="an expression over columns (stars != 3 and len(review) > 20), or path/to/mine.py:function",
        ) from None
    return Filter(text, expression.columns, expression.evaluate, expression.numbers)
