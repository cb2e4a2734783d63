"""Line-aligned files: which files of a folder hold the two sides of the same rows, by their common start."""

from collections.abc import Sequence
from pathlib import Path

from finetune.data.fields import Field, asked_columns
from finetune.data.messages import shorten_list
from finetune.errors import UserError


def can_be_aligned(fields: Sequence[Field]) -> bool:
    """Return whether line-aligned files can hold what a task reads: several columns, all of them text."""
    return len(asked_columns(fields)) > 1 and all(field.kind == "text" for field in fields)


def aligned_names(start: str, fields: Sequence[Field]) -> str:
    """Return the names of the line-aligned files of a common start, for a message."""
    return "line-aligned files " + " and ".join(f"{start}.{column}" for column in asked_columns(fields))


def expected_names(start: str, fields: Sequence[Field]) -> str:
    """Return what a path could be, for a message: a file, or the common start of line-aligned files."""
    return f"a file, or {aligned_names(start, fields)}" if can_be_aligned(fields) else "a file"


def aligned_starts(folder: Path, fields: Sequence[Field]) -> dict[str, tuple[Path, ...]]:
    """Return the line-aligned files of a folder by their common start: a file for every column, packed or not."""
    columns = asked_columns(fields)
    if not can_be_aligned(fields) or not folder.is_dir():
        return {}
    files = {file.name.removesuffix(".gz"): file for file in sorted(folder.iterdir())}
    starts = {name.removesuffix(f".{columns[0]}") for name in files if name.endswith(f".{columns[0]}")}
    return {
        start: tuple(files[f"{start}.{column}"] for column in columns)
        for start in sorted(starts)
        if all(f"{start}.{column}" in files for column in columns)
    }


def missing_file(path: Path, key: str, fields: Sequence[Field]) -> UserError | None:
    """Return the error for a common start of line-aligned files, some of which are missing; None if all or none are."""
    if not can_be_aligned(fields) or not path.parent.is_dir():
        return None
    found = sorted(file.name for file in path.parent.iterdir() if file.name.startswith(f"{path.name}."))
    unpacked = {name.removesuffix(".gz") for name in found}
    missing = [name for column in asked_columns(fields) if (name := f"{path.name}.{column}") not in unpacked]
    if not found or not missing:
        return None
    return UserError(
        f"there is no file {path.with_name(missing[0])}",
        where=f"{key}={path}",
        expected=expected_names(path.name, fields),
        found=shorten_list(found),
        fix="a translation task names the languages by task.source and task.target",
    )
