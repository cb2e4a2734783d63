"""The columns of the data set that masks read.

This module needs neither torch nor transformers, so that a wrong column can be reported before they are imported.
"""

from collections.abc import Mapping

from finetune.attention import Program
from finetune.data.fields import Field, FieldKind

PREFIX = "mask_"
"""The start of the names of features that hold columns and values of masks."""
BUILT_IN = ("word", "sentence", "segment")
"""The columns that are computed from the tokenizer's output."""
PAIR = "_pair"
"""The end of the name of the column with the spans of the second text of a pair."""
_SECOND = "text_pair"


def needed_columns(program: Program) -> tuple[str, ...]:
    """Return the token columns that masks read, sorted, without those of special tokens, which the model computes."""
    return tuple(sorted(name for name in program.needs.columns if not name.startswith("is_")))


def data_fields(program: Program, texts: Mapping[str, str] | None = None) -> tuple[Field, ...]:
    """Return the fields of the data set that the masks read.

    Args:
        program: The masks of the model.
        texts: The columns of the texts whose characters spans count, by the names of their fields. None for a task
            whose examples are lists of words: there a column holds an integer for each word.
    """
    fields: list[Field] = []
    for name in needed_columns(program):
        if name not in BUILT_IN and texts is None:
            fields.append(_field(name, "words", "a whole number for each word"))
        elif name not in BUILT_IN:
            fields += [_of_spans(name, text, column) for text, column in (texts or {}).items()]
    values = [_field(name, "text", "a whole number for each example") for name in sorted(program.needs.values)]
    return (*fields, *values)


def spans_field(name: str, text: str) -> str:
    """Return the name of the field with the spans of one text.

    Args:
        name: The token column that a mask reads.
        text: Name of the field of the text.
    """
    return PREFIX + name + (PAIR if text == _SECOND else "")


def _of_spans(name: str, text: str, column: str) -> Field:
    field = spans_field(name, text).removeprefix(PREFIX)
    return _field(field, "spans", f"lists of spans of characters in {column!r}, [[start, end, number], ...]", text)


def _field(name: str, kind: FieldKind, content: str, text: str | None = None) -> Field:
    known = () if kind == "text" else BUILT_IN
    hint = f"add the column with {content}, or write another name in the mask"
    hint += f"; {', '.join(known)} need no column" if known else ""
    return Field(PREFIX + name, kind, name, own_key="attention", text=text, hint=hint, alternatives=known)
