"""Whether the first row of a table names its columns, as far as the rows show it."""

import re
from dataclasses import replace

from finetune.data.batched import ROWS
from finetune.data.files.all_columns import FirstRows
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
    """Return the rows, with names for the columns where the file has no header, and the keys that say so.

    A first row is no header where it holds a number, a long text, the end of a sentence, or a value that comes again
    below it. If it might be either, it is taken for the header, and the key says that this is not certain.
    """
    if rows.source.format not in ("csv", "tsv") or rows.data.column_names is not None or not rows.columns:
        return rows, ()
    evidence = next((found for name in rows.columns if (found := _against(name, rows.columns[name]))), None)
    if evidence is None:
        return rows, (() if _is_certain(rows) else (_doubtful(rows),))
    first = list(rows.columns)
    columns = {f"{NUMBERED}{number}": [name, *rows.columns[name]][:ROWS] for number, name in enumerate(first, start=1)}
    key = DraftedKey("data.column_names", list(columns), f"there is no header: {evidence} in the first row")
    data = rows.data.model_copy(update={"column_names": tuple(columns)})
    return replace(rows, columns=columns, data=data), (key,)


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
    given = ", ".join(f"{NUMBERED}{number}" for number in range(1, len(rows.columns) + 1))
    return DraftedKey(
        "data.column_names",
        None,
        f"the first row names the columns: {shorten_list(list(rows.columns))}",
        f'if it is an example: "data.column_names=[{given}]"',
    )
