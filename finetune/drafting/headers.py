"""Whether the first row of a table names its columns, as far as the rows show it."""

import re
from collections.abc import Sequence
from dataclasses import replace

from finetune.data.files.all_columns import FirstRows, read_first_rows
from finetune.data.messages import shorten_list
from finetune.drafting import names
from finetune.drafting.keys import DraftedKey
from finetune.drafting.languages import count_words, language_code

NUMBERED = "column_"
"""The beginning of the names of columns in a file without a header."""
_LONGEST = 8
"""Words of the longest name of a column."""
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_ENDS = (".", "!", "?", "\u3002", "\uff01", "\uff1f")
"""The ends of sentences, of Chinese and Japanese ones, too."""
_USUAL = (*names.LABELS, *names.TEXTS, *names.SOURCES, *names.TARGETS, *names.WORDS, *names.WORD_LABELS)


def with_header(rows: FirstRows) -> tuple[FirstRows, tuple[DraftedKey, ...]]:
    """Return the rows, read again with names for the columns where the file has no header, and the keys that say so.

    A first row is no header where it holds a number, a long text, the end of a sentence, one value twice, or a value
    that comes again below it. If it might be either, it is taken for the header, and the key says that this is not
    certain.

    Raises:
        UserError: A row is wrong.
    """
    if not rows.header:
        return rows, ()
    evidence = _twice(rows.header) or next(
        (found for name, values in rows.columns.items() if (found := _against(name, values))), None
    )
    if evidence is None:
        return rows, (() if not rows.columns or _is_certain(rows) else (_doubtful(rows),))
    columns = [f"{NUMBERED}{number}" for number in range(1, len(rows.header) + 1)]
    data = rows.data.model_copy(update={"column_names": tuple(columns)})
    key = DraftedKey("data.column_names", columns, f"there is no header: {evidence} in the first row")
    return replace(read_first_rows(rows.source, data), notes=rows.notes), (key,)


def _twice(header: Sequence[str]) -> str | None:
    """Return what shows that a first row with the same number or text twice is no header; None for other rows."""
    twice = next((name for name in header if name and header.count(name) > 1), None)
    usual = twice is None or names.rank(twice, _USUAL) is not None or names.is_identifier(twice)
    return None if usual else f"{twice!r:.40} twice"


def _against(name: str, values: list[str]) -> str | None:
    """Return what shows that a cell of the first row is a value and no name; None where nothing does."""
    filled = [value.strip() for value in values if value.strip()]
    if _NUMBER.fullmatch(name):
        numbers = sum(_NUMBER.fullmatch(value) is not None for value in filled)
        return f"the number {name}" if numbers > 0.9 * len(filled) and filled else None
    shown = repr(name if len(name) <= 40 else f"{name[:37]}...")
    if count_words(name) > _LONGEST:
        return f"the text {shown}"
    usual = names.rank(name, _USUAL) is not None or names.is_identifier(name)
    if not usual and name in filled:
        return f"{shown}, which comes again below it,"
    return f"the sentence {shown}" if name.endswith(_ENDS) and len(name) > 2 else None


def _is_certain(rows: FirstRows) -> bool:
    """Return whether a name is a usual one, or stands above numbers or classes and is none of them."""
    for name, values in rows.columns.items():
        filled = [value.strip() for value in values if value.strip()]
        if names.rank(name, _USUAL) is not None or language_code(name):
            return True
        are_numbers = bool(filled) and all(map(_NUMBER.fullmatch, filled))
        if (are_numbers or 2 * len(set(filled)) <= len(filled)) and name not in filled:
            return True
    return False


def _doubtful(rows: FirstRows) -> DraftedKey:
    given = ", ".join(f"{NUMBERED}{number}" for number in range(1, len(rows.header) + 1))
    return DraftedKey(
        "data.column_names",
        None,
        f"the first row names the columns: {shorten_list(list(rows.columns))}",
        f'if it is an example: "data.column_names=[{given}]"',
    )
