"""Columns of Python objects (from csv, JSON, CoNLL, samples), checked for their types and put into Arrow arrays."""

import math
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import pyarrow as pa

from finetune.data.fields import Field, FieldKind
from finetune.data.messages import plural
from finetune.data.rows import Rows
from finetune.errors import UserError

_NOUNS = {
    str: "text",
    int: "number",
    float: "number",
    bool: "true or false",
    list: "list",
    tuple: "list",
    dict: "object",
    type(None): "null",
}
_EXPECTED: dict[FieldKind, tuple[str, ...]] = {
    "text": ("text", "number"),
    "label": ("text", "number", "true or false"),
    "label_list": ("list", "text"),
    "number": ("number", "text"),
    "words": ("list", "text"),
    "word_labels": ("list", "text"),
}


def arrow_column(values: list[Any], rows: Rows, field: Field) -> pa.ChunkedArray:
    """Return text and words as strings, labels as strings, numbers or booleans, all of one sort.

    Raises:
        UserError: A value of another type than the field's, labels of several types, or text that is not Unicode.
    """
    if field.kind in ("text", "label", "number"):
        values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    nouns: Counter[str] = Counter()
    for kind, count in Counter(map(type, values)).items():
        nouns[_noun(kind)] += count
    wrong = [noun for noun in nouns if noun not in (*_EXPECTED[field.kind], "null")]
    if wrong:
        raise _wrong_type(values, rows, field, wrong)
    if field.kind != "text" and len(nouns.keys() - {"null"}) > 1:
        raise _mixed(values, rows, field, nouns)
    if field.kind in ("words", "word_labels", "label_list") and "list" in nouns:
        values = _lists_of_text(values, rows, field)
    elif nouns["number"] and (field.kind == "text" or not any(isinstance(value, float) for value in values)):
        values = [None if value is None else str(value) for value in values]
    return _array(values, rows, field)


def _noun(kind: type) -> str:
    return _NOUNS.get(kind, kind.__name__)


def _lists_of_text(values: list[Any], rows: Rows, field: Field) -> list[list[str] | None]:
    types = set(map(type, chain.from_iterable(value for value in values if value is not None)))
    if not types <= {str, int}:
        found = _where(values, lambda value: value is not None and not {type(word) for word in value} <= {str, int})
        raise UserError(
            f"the lists of column {field.column!r} hold more than text",
            where=rows.where(found),
            expected="lists of labels, one a word" if field.kind == "word_labels" else "lists of text",
            found=f"{values[found[0]]!r:.80}",
        )
    return [None if value is None else [str(word) for word in value] for value in values]


def _array(values: list[Any], rows: Rows, field: Field) -> pa.ChunkedArray:
    kind = pa.string() if all(value is None for value in values) else None
    try:
        array = pa.array(values, kind)
    except UnicodeEncodeError:
        found = _where(values, _not_unicode)
        raise UserError(
            f"{plural(len(found), 'row')} with half a surrogate pair, which is no text, in column {field.column!r}",
            where=rows.where(found),
            found=f"{values[found[0]]!a:.80}",
            fix="remove the broken character or the row",
        ) from None
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _not_unicode(value: Any) -> bool:
    text = "".join(value) if isinstance(value, list) else str(value)
    return any("\ud800" <= character <= "\udfff" for character in text)


def _where(values: list[Any], wrong: Callable[[Any], bool]) -> list[int]:
    return [index for index, value in enumerate(values) if wrong(value)]


def _wrong_type(values: list[Any], rows: Rows, field: Field, wrong: list[str]) -> UserError:
    found = _where(values, lambda value: _noun(type(value)) in wrong)
    wanted = _EXPECTED[field.kind][0]
    whole = len(found) == len(values)
    rows_with = "" if whole else f"{plural(len(found), 'row')} with "
    return UserError(
        f"{rows_with}another type than {wanted} in column {field.column!r}",
        where=rows.name if whole else rows.where(found),
        expected=" or ".join(_EXPECTED[field.kind]),
        found=f"{_noun(type(values[found[0]]))}: {values[found[0]]!r:.80}",
        fix=f"correct the rows, or {field.key}=... names another column",
    )


def _mixed(values: list[Any], rows: Rows, field: Field, nouns: Counter[str]) -> UserError:
    rarest = min(nouns.keys() - {"null"}, key=lambda noun: nouns[noun])
    return UserError(
        f"column {field.column!r} mixes types",
        where=rows.where(_where(values, lambda value: _noun(type(value)) == rarest)),
        expected="one type throughout, text or numbers" if field.kind == "label" else "one type throughout",
        found=", ".join(f"{count:,} x {noun}" for noun, count in nouns.most_common() if noun != "null"),
        fix="write the values in one way",
    )
