"""Groups of examples that belong together, as the sentences of a document do (`data.group_column`)."""

from finetune.data.rows import ColumnValues

GROUP = "data.group_column"
"""Name of the column that holds the group of each example; it has a dot, so that no field has this name."""


def group_keys(groups: ColumnValues) -> list[str]:
    """Return a text for each example that is the same for the examples of a group.

    Two values are one group if their texts differ in white space around them alone. An example without a value is a
    group of its own.

    Args:
        groups: The values of the column.
    """
    values = groups if isinstance(groups, list) else groups.to_pylist()
    return [f"\0{number}" if value is None else str(value).strip() for number, value in enumerate(values)]
