"""The rows of one split as their source gives them, before any is checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
from datasets import Dataset

from finetune.data.problems import Unit, places

Column: TypeAlias = list[Any] | pa.ChunkedArray
"""Values of one column: Python objects, or an Arrow array."""


@dataclass(frozen=True)
class Rows:
    """The rows of one split.

    Args:
        name: The file, or the Hub data set and split, as the user knows it.
        columns: The columns that fields ask for, by the user's names; all of one length.
        unit: What `numbers` are.
        numbers: Each row's line or row, for messages; counted up from 0 where None.
        class_names: Names of the classes of columns that hold class numbers.
        stored: The data set whose columns these are, where they lie on disk and are best left there.
    """

    name: str
    columns: Mapping[str, Column]
    unit: Unit = "row"
    numbers: Sequence[int] | None = None
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stored: Dataset | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def where(self, indices: Sequence[int]) -> str:
        """The source and the first few of these rows."""
        return places(self.name, self.unit, indices if self.numbers is None else [self.numbers[i] for i in indices])
