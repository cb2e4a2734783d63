"""Rows of a `datasets.Dataset`: from the Hub or from parquet. Nothing is copied: columns stay where they lie."""

from collections.abc import Sequence
from typing import Any

from datasets import ClassLabel, Dataset, List

from finetune.data.fields import Field, asked_columns
from finetune.data.messages import missing_columns
from finetune.data.rows import Rows
from finetune.errors import raise_all


def rows_from_dataset(name: str, dataset: Dataset, fields: Sequence[Field]) -> Rows:
    """The asked columns, nested ones by dotted path.

    Raises:
        UserError: A column is missing.
    """
    columns = asked_columns(fields)
    features = dataset.features.flatten()
    raise_all(missing_columns(name, fields, list(features)))
    outer = [top for top in dataset.column_names if any(f"{column}.".startswith(f"{top}.") for column in columns)]
    stored = dataset.select_columns(outer).flatten().select_columns(list(columns))
    class_names = {column: _class_names(features[column]) for column in columns}
    return Rows(
        name=name,
        columns={column: stored.data.table[column] for column in columns},
        class_names={column: names for column, names in class_names.items() if names},
        stored=stored,
    )


def _class_names(feature: Any) -> tuple[str, ...]:
    """Names of the classes whose numbers a column holds, alone or in lists; none for other columns."""
    inner = feature.feature if isinstance(feature, List) else feature
    return tuple(inner.names) if isinstance(inner, ClassLabel) else ()
