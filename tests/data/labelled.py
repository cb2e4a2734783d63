"""Small data sets of texts and labels in csv files."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.data import Field, LoadedData, load_data
from finetune.recipe import Data

OPEN = (Field("text", "text", "text"), Field("label", "label", "label", is_open=True))
CLASSES = (Field("text", "text", "text"), Field("label", "label", "label"))
SPLITS = ("train", "dev", "test")


def write(folder: Path, split: str, labels: Sequence[Any], delimiter: str = ",") -> Path:
    path = folder / f"{split}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(f"text {number}", label) for number, label in enumerate(labels)]
        csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *rows])
    return path


def loaded(
    folder: Path, fields: tuple[Field, ...] = OPEN, *, options: dict[str, Any] | None = None, **splits: Any
) -> LoadedData:
    for split in SPLITS:
        write(folder, split, splits.get(split, splits["train"]))
    return load_data(Data.model_validate({"path": str(folder), **(options or {})}), fields)
