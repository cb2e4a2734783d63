"""Columns beside those of the task: groups of examples that belong together, and values by which scores are sliced."""

from collections.abc import Sequence

from finetune.data.rows import ColumnValues

GROUP = "data.group_column"
"""Name of the column that holds the group of each example; it has a dot, so that no field has this name."""

SLICE = "evaluation.slices."
"""The beginning of the name of a column that holds what scores are sliced by; the name of the user's column follows."""
NO_VALUE = "(empty)"
"""The slice of examples without a value in the column."""


def slice_values(values: ColumnValues, class_names: Sequence[str] | None = None) -> list[str]:
    """Return the value of each example as text.

    Args:
        values: The values of the column.
        class_names: The names of the classes, where the values are their numbers.
    """
    listed = values if isinstance(values, list) else values.to_pylist()
    named = [class_names[one] if class_names and isinstance(one, int) else one for one in listed]
    return [NO_VALUE if value is None or not str(value).strip() else str(value).strip() for value in named]


def group_keys(groups: ColumnValues) -> list[str]:
    """Return a text for each example that is the same for the examples of a group.

    Two values are one group if their texts differ in white space around them alone. An example without a value is a
    group of its own.

    Args:
        groups: The values of the column.
    """
    values = groups if isinstance(groups, list) else groups.to_pylist()
    return [f"\0{number}" if value is None else str(value).strip() for number, value in enumerate(values)]
