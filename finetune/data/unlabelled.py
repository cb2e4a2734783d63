"""A test split without labels, as those of GLUE and of competitions are: it is predicted and not scored."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.data.fields import Field, FieldKind
from finetune.data.messages import plural
from finetune.data.rows import Rows

_KINDS: tuple[FieldKind, ...] = ("label", "label_list", "number")
_NO_LABEL = "-1"
"""What GLUE writes in the place of a label."""


def fields_by_split(
    rows: Mapping[str, Rows], fields: Sequence[Field], names: Sequence[str]
) -> dict[str, tuple[Field, ...]]:
    """Return the fields that each split holds: a test split whose labels are all empty or -1 has no field of labels.

    Args:
        rows: The rows of each split.
        fields: What the task reads.
        names: The classes that the recipe names; -1 is a class where it is one of them.
    """
    held = {split: tuple(fields) for split in rows}
    if "test" in rows:
        held["test"] = tuple(one for one in fields if one.kind not in _KINDS or _is_labelled(rows, one, names))
    return held


def unlabelled_note(rows: Mapping[str, Rows]) -> str:
    """Return a note for the user on a test split without labels."""
    return (
        f"no label in any of {plural(len(rows['test']), 'row')} of the test split ({rows['test'].name}): it counts as "
        "unlabelled, and its predictions are written without scores; without it (from the Hub: data.splits.test=null) "
        "a test split is cut from train"
    )


def _is_labelled(rows: Mapping[str, Rows], field: Field, names: Sequence[str]) -> bool:
    if not len(rows["test"]) or _NO_LABEL in names:
        return True
    given = {_text(value) for value in _values(rows["test"], field)}
    if not given <= {"", _NO_LABEL}:
        return True
    return _NO_LABEL in given and any(_text(value) == _NO_LABEL for value in _values(rows["train"], field))


def _values(rows: Rows, field: Field) -> Sequence[Any]:
    column = rows.columns[field.column]
    values: list[Any] = column if isinstance(column, list) else column.to_pylist()
    return values


def _text(value: Any) -> str:
    """Return a label as text: empty for None, and the same for -1, "-1" and -1.0."""
    if value is None or value != value:
        return ""
    if isinstance(value, list | tuple):
        return "list"
    text = str(value).strip()
    return text.removesuffix(".0")
