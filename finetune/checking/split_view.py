"""The rows of one split as strings: as they are read, or as the examples of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from finetune.data import Field
from finetune.data.columns import canonical_column, string_column
from finetune.data.messages import places
from finetune.data.rows import Rows
from finetune.errors import UserError

_BETWEEN_WORDS = "\x1f"
"""The ASCII unit separator, by which words are joined, so that different lists of words are different texts."""
_INPUTS = ("text", "words")
ANSWERS = ("label", "label_list", "number", "word_labels")
"""The kinds of fields that hold labels or numbers."""
_TARGET = "target"


@dataclass(frozen=True)
class SplitView:
    """The rows of one split as strings.

    Args:
        split: The name of the split: train, dev or test.
        columns: The columns by the names of their fields, as strings without null; lists of words are joined.
        where: A function that describes the places of rows, given by index, for messages.
        num_rows: The number of rows.
    """

    split: str
    columns: dict[str, pa.ChunkedArray]
    where: Callable[[Sequence[int]], str]
    num_rows: int

    @classmethod
    def of_rows(cls, split: str, rows: Rows, fields: Sequence[Field]) -> "SplitView":
        """Return a view of rows as they are read. Columns whose values are invalid for their field are left out."""
        columns = {}
        for field in fields:
            try:
                read = canonical_column if field.kind in ("label_list", "number") else string_column
                columns[field.name] = _joined(read(rows, field))
            except UserError:
                continue
        return cls(split, columns, rows.where, len(rows))

    @classmethod
    def of_split(cls, split: str, dataset: Dataset, fields: Sequence[Field]) -> "SplitView":
        """Return a view of the examples of a run."""
        table = dataset.with_format("arrow")[:]
        columns = {field.name: _joined(table[field.name]) for field in fields if field.name in table.column_names}
        ids: list[int] = table["id"].to_pylist()

        def where(indices: Sequence[int]) -> str:
            return places(f"the {split} split", "row", [ids[index] for index in indices])

        return cls(split, columns, where, len(dataset))

    def inputs(self, fields: Sequence[Field]) -> list[tuple[str, ...]]:
        """Return the input of each row; an empty list where a column of the input is left out."""
        names = [field.name for field in fields if field.kind in _INPUTS and field.name != _TARGET]
        return self._rows(names)

    def answers(self, fields: Sequence[Field]) -> list[tuple[str, ...]]:
        """Return the reference of each row; an empty list where a column of it is left out."""
        return self._rows([field.name for field in fields if field.kind in ANSWERS or field.name == _TARGET])

    def _rows(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        if not names or any(name not in self.columns for name in names):
            return []
        stripped = [pc.utf8_trim_whitespace(self.columns[name]).to_pylist() for name in names]
        return list(zip(*stripped, strict=True))


def excerpt(row: Sequence[str], most: int = 60) -> str:
    """Return the start of a row's text, for a message."""
    text = " | ".join(row).replace(_BETWEEN_WORDS, " ")
    return repr(text if len(text) <= most else text[: most - 3] + "...")


def _joined(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        return column.cast(pa.string())
    text = pc.binary_join(column, _BETWEEN_WORDS) if pa.types.is_list(column.type) else column
    return pc.fill_null(text.cast(pa.string()), "")
