"""Dev and test files without labels, as competitions give them: nothing can be scored on them."""

from collections.abc import Sequence
from dataclasses import replace

from finetune.data.files.all_columns import FirstRows, read_first_rows
from finetune.drafting.keys import DraftedKey
from finetune.drafting.sources import DataFiles

_NAMED = ("csv", "tsv", "json", "jsonl", "parquet")
"""Formats whose files name their columns."""
_ANSWERS = ("data.columns.label", "data.columns.labels", "data.columns.target")


def without_unlabelled(files: DataFiles, rows: FirstRows, keys: Sequence[DraftedKey]) -> DataFiles:
    """Return the files without those of dev and test that lack the column of the answers.

    Args:
        files: The files of all splits.
        rows: The first rows of train.
        keys: The keys of the task's columns.

    Raises:
        UserError: A file of dev or test cannot be read.
    """
    asked = [str(column) for one in keys if one.key in _ANSWERS for column in _listed(one.value)]
    lacking = {}
    for split in ("dev", "test"):
        (source, *_) = files.sources.get(split, (None,))
        if source is None or source.format not in _NAMED or rows.source.format not in _NAMED or not asked:
            continue
        found = read_first_rows(source, rows.data).columns
        missing = [column for column in asked if column not in found]
        if missing:
            lacking[split] = f"{source.name} has no column {missing[0]!r}, so that nothing can be scored on it"
    return _without(files, lacking) if lacking else files


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [value]


def _without(files: DataFiles, lacking: dict[str, str]) -> DataFiles:
    """Return the files of the other splits, each named by a key of its own."""
    sources = {split: found for split, found in files.sources.items() if split not in lacking}
    keys = [one for one in files.keys if not one.key.endswith("path")]
    for split, found in sources.items():
        paths = [str(path) for one in found for path in one.paths]
        key = "data.path" if split == "train" else f"data.{split}_path"
        reason = "; ".join(lacking.values()) if split == "train" else ""
        keys.append(DraftedKey(key, paths[0] if len(paths) == 1 else paths, reason))
    return replace(files, keys=tuple(keys), sources=sources)
