"""Rows of a `datasets.Dataset`: from the Hub or from parquet. Nothing is copied: columns stay where they lie."""

from collections.abc import Sequence
from typing import Any

from datasets import ClassLabel, Dataset, List

from finetune.data.dict_rows import NESTED, nested_note
from finetune.data.fields import Field, asked_columns
from finetune.data.messages import missing_columns
from finetune.data.rows import Rows
from finetune.errors import raise_all


def rows_from_dataset(name: str, dataset: Dataset, fields: Sequence[Field]) -> Rows:
    """Return the columns that the fields read, nested ones by dotted path, or those of that name in `translation`.

    Raises:
        UserError: A column is missing.
    """
    if dataset._indices is not None:  # shuffled or filtered: its table still has the rows in their old order
        dataset = dataset.flatten_indices()
    columns = asked_columns(fields)
    features = dataset.features.flatten()
    nested = {column: f"{NESTED}.{column}" for column in columns}
    nested = {column: path for column, path in nested.items() if column not in features and path in features}
    raise_all(missing_columns(name, fields, [*features, *nested]))
    paths = {column: nested.get(column, column) for column in columns}
    outer = [top for top in dataset.column_names if any(f"{path}.".startswith(f"{top}.") for path in paths.values())]
    stored = dataset.select_columns(outer).flatten().select_columns(list(paths.values()))
    stored = stored.rename_columns({path: column for column, path in nested.items()}) if nested else stored
    class_names = {column: _class_names(features[path]) for column, path in paths.items()}
    return Rows(
        name=name,
        columns={column: stored.data.table[column] for column in columns},
        class_names={column: names for column, names in class_names.items() if names},
        stored=stored,
        notes=tuple(nested_note(name, column) for column in nested),
    )


def _class_names(feature: Any) -> tuple[str, ...]:
    """Return the names of the classes whose numbers a column holds, alone or in lists; empty for other columns."""
    inner = feature.feature if isinstance(feature, List) else feature
    return tuple(inner.names) if isinstance(inner, ClassLabel) else ()
