"""Choose the columns and the split of a data set that are asked for."""

from collections.abc import Sequence

from finetune.errors import UserError, nearest
from finetune.samples.split import SampleRow, SampleSplits


def check_columns(name: str, columns: Sequence[str], known: Sequence[str]) -> None:
    """Check that a data set has the columns that are asked for, before anything of it is downloaded.

    Args:
        name: The name of the data set.
        columns: The columns that are asked for.
        known: The columns that the data set has.

    Raises:
        UserError: The data set lacks a column; the message lists those that it has.
    """
    for column in columns:
        if column not in known:
            likely = nearest(column, known)
            raise UserError(
                f"the {name} sample has no column {column!r}",
                expected="one of " + ", ".join(known),
                fix=f"did you mean {likely!r}?" if likely else None,
            )


def select_columns(splits: SampleSplits, split: str, columns: Sequence[str]) -> list[SampleRow]:
    """Return new rows of one split that have the given columns and no others, in the same order.

    Args:
        splits: The rows of every split, which are left as they are.
        split: One of train, dev and test.
        columns: Columns that every row has.
    """
    return [{column: row[column] for column in columns} for row in splits[split]]
