"""Entities as spans of characters in a text, as doccano and spaCy export them, turned into words with labels.

Words are cut at white space, around every sign of punctuation, and where a span begins or ends. A letter keeps the
marks that follow it (an accent, a vowel sign), and a joined emoji stays whole. Spans count characters as Python does.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from finetune.data.fields import Field
from finetune.data.messages import Unit, places
from finetune.errors import UserError

TEXT = "text"
_KEYS = ("label", "labels", "entities", "spans")
_NAMES = ("label", "type", "tag")
_JOINER = "\u200d"

TextSpan = tuple[int, int, str]
"""The index where an entity begins in the text, that where it ends (not included), and its type."""


def as_words(
    name: str, objects: Sequence[Mapping[str, Any]], fields: Sequence[Field], unit: Unit, numbers: Sequence[int]
) -> tuple[Sequence[Mapping[str, Any]], tuple[str, ...]]:
    """Return objects that hold a text and spans with the words and labels that the fields read, and others as they are.

    Returns:
        The objects, and a note for the user on how they were read, if they hold spans.

    Raises:
        UserError: A span is outside of its text, holds nothing, or overlaps another.
    """
    columns: dict[str, str] = {field.kind: field.column for field in fields}
    key = _key(objects, columns)
    if key is None:
        return objects, ()
    made: list[Mapping[str, Any]] = []
    for row, number in zip(objects, numbers, strict=True):
        spans = sorted(span for one in row[key] if (span := _span(one)) is not None)
        _check(row[TEXT], spans, places(name, unit, [number]))
        words, labels = _labelled(row[TEXT], spans)
        made.append({**row, columns["words"]: words, columns["word_labels"]: labels})
    note = (
        f"{name}: words and labels are read from {TEXT!r} and the spans of characters in {key!r}; words are cut at "
        "spaces, punctuation and the ends of spans"
    )
    return made, (note,)


def cut_words(text: str, borders: Iterable[int] = ()) -> list[tuple[int, int]]:
    """Return the index where each word of a text begins, and that where it ends, which is not included.

    Args:
        text: The text.
        borders: Indices at which words are cut in any case.
    """
    fixed = set(borders)
    starts = [
        at
        for at in range(len(text))
        if at == 0 or at in fixed or not (_goes_on(text, at) or (_is_word(text[at - 1]) and _is_word(text[at])))
    ]
    pieces = pairwise([*starts, len(text)])
    return [(start, end) for start, end in pieces if text[start:end].strip()]


def _key(objects: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str | None:
    """Return the key of the spans; None if the objects hold words, or no spans."""
    if not {"words", "word_labels"} <= columns.keys() or not objects:
        return None
    if any(columns["words"] in row for row in objects) or not all(isinstance(row.get(TEXT), str) for row in objects):
        return None
    for key in _KEYS:
        lists = [row.get(key) for row in objects]
        if all(isinstance(one, list) for one in lists):
            spans = [span for one in lists for span in one or ()]
            if spans and all(_span(span) is not None for span in spans):
                return key
    return None


def _span(given: Any) -> TextSpan | None:
    """Return the span that is given as a list of three, or as an object with start, end and label; None for others."""
    if isinstance(given, Mapping):
        name = next((given[key] for key in _NAMES if key in given), None)
        given = [given.get("start", given.get("start_offset")), given.get("end", given.get("end_offset")), name]
    if not isinstance(given, list) or len(given) != 3 or not isinstance(given[2], str):
        return None
    start, end, kind = given
    is_place = all(isinstance(place, int) and not isinstance(place, bool) for place in (start, end))
    return (start, end, kind) if is_place else None


def _check(text: str, spans: Sequence[TextSpan], where: str) -> None:
    for start, end, kind in spans:
        if not 0 <= start < end <= len(text) or not text[start:end].strip():
            raise UserError(
                f"a span of {kind} holds no text",
                where=where,
                expected=f"0 <= start < end <= {len(text):,}, in characters",
                found=f"{start} to {end}",
                fix="correct the span; were bytes, UTF-16 units or other line breaks counted?",
            )
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise UserError(
                f"two spans overlap, {first} and {second}",
                where=where,
                expected="one label for each character",
                found=f"{second} begins at {start}, and {first} ends at {end}",
                fix="keep one of them",
            )


def _labelled(text: str, spans: Sequence[TextSpan]) -> tuple[list[str], list[str]]:
    """Return the words of a text, and their labels in IOB2."""
    cuts = cut_words(text, [place for start, end, _ in spans for place in (start, end)])
    words = [text[start:end].strip() for start, end in cuts]
    labels = ["O"] * len(words)
    for first, last, kind in spans:
        inside = [index for index, (start, _) in enumerate(cuts) if first <= start < last]
        for index in inside:
            labels[index] = f"{'B' if index == inside[0] else 'I'}-{kind}"
    return words, labels


def _goes_on(text: str, at: int) -> bool:
    """Return whether a character belongs to the one before it.

    It does if it is a mark or the skin tone of an emoji, or if one of the two joins emojis.
    """
    character = text[at]
    is_mark = unicodedata.category(character)[0] == "M" or "\U0001f3fb" <= character <= "\U0001f3ff"
    return is_mark or _JOINER in (character, text[at - 1])


def _is_word(character: str) -> bool:
    """Return whether a character is part of a word: a letter, a mark, a digit or an underscore."""
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"
