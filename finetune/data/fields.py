"""What a task reads from each example."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FieldKind = Literal["text", "label", "label_list", "number", "words", "word_labels", "spans"]


@dataclass(frozen=True)
class Field:
    """One thing that a task reads from each example.

    Args:
        name: The column of the loaded data, also its key under `data.columns` in the recipe.
        kind: text and label are one string an example, label_list any number of them, number a float64; words and
            word_labels are lists of strings of equal length; spans are the spans of characters of a text with a number
            each, written as JSON (see `finetune.data.numbered_spans`).
        column: What the user's data calls it; dots reach into nested columns (`translation.de`).
        is_open: A label that the data may show to be a list of labels or a number; see `finetune.data.targets`.
        separator: Parts the labels of a list that is written as one text.
        own_key: The recipe's key that names the column, where it is none of `data.columns`.
        flag_columns: The user's columns that hold a 0 or a 1 for one label each; `column` is then what messages call
            them together.
        text: Name of the field of the text whose characters spans count; None for other kinds.
        hint: What a message proposes where the column, which a mask reads, is missing; None for columns that no mask
            reads, for which another name under the recipe's key is proposed.
        alternatives: Names that could be meant where the column is missing, beside those of the data set's columns.
    """

    name: str
    kind: FieldKind
    column: str
    is_open: bool = False
    separator: str = ","
    own_key: str | None = None
    flag_columns: tuple[str, ...] = ()
    text: str | None = None
    hint: str | None = None
    alternatives: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The recipe key that names the user's column."""
        return self.own_key or f"data.columns.{self.name}"


def asked_columns(fields: Sequence[Field]) -> tuple[str, ...]:
    """Return the names of the user's columns that the fields read, each once."""
    return tuple(dict.fromkeys(field.column for field in fields))
