"""From a recipe's `data` section to three checked splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from finetune.data import labels
from finetune.data.checks import Columns, checked_columns
from finetune.data.cutting import cut
from finetune.data.fields import Field, asked_columns
from finetune.data.files import read_files
from finetune.data.hub import read_hub
from finetune.data.objects import rows_from_objects
from finetune.data.problems import plural, raise_merged, some
from finetune.data.rows import Rows
from finetune.data.targets import settle
from finetune.recipe import Data


@dataclass(frozen=True)
class Loaded:
    """The examples of a run.

    Args:
        train: The split that is learned from. Columns: `id` (int64, the example's number within its split as read; for
            a split that was cut from train, its number there) and one for each field (string, list of strings, or
            float64).
        dev: The split that chooses the checkpoint; the same columns.
        test: The split that is scored at the end; the same columns.
        labels: The names of the classes, in order, of each field that holds labels.
        notes: What the user should know about how the splits came about, in sentences.
    """

    train: Dataset
    dev: Dataset
    test: Dataset
    labels: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """What the recipe's source gives, unchecked: the rows of every split that it has, and what to say about them."""

    rows: Mapping[str, Rows]
    notes: tuple[str, ...] = ()


def load(data: Data, fields: Sequence[Field]) -> Loaded:
    """Read, check and split the examples that a recipe names.

    Args:
        data: Where they come from: its path, else its Hub name, else its sample.
        fields: What to read of each.

    Raises:
        UserError: The source cannot be found or read, or rows are wrong: with file and line, or data set and row.
    """
    return assemble(read(data, fields), data, fields)


def assemble(given: Given, data: Data, fields: Sequence[Field]) -> Loaded:
    """Check and split what was read.

    Raises:
        UserError: Rows are wrong: with file and line, or data set and row.
    """
    rows, notes = given.rows, given.notes
    fields = settle(fields, rows["train"])
    columns = checked_columns(rows, fields)
    names = _label_names(data, fields, rows, columns)
    splits = {split: _dataset(rows[split], fields, columns[split]) for split in rows}
    splits, cut_notes = _cut_missing(splits, data, rows["train"].name)
    lacking = [
        note for field in fields if field.kind in ("label", "label_list") for note in _lacking(field.name, splits)
    ]
    splits, kept_notes = _keep_first(splits, data)
    return Loaded(**splits, labels=names, notes=(*notes, *cut_notes, *lacking, *kept_notes))


def read(data: Data, fields: Sequence[Field]) -> Given:
    """Read the rows, as they are.

    Raises:
        UserError: The source cannot be found or read.
    """
    if data.path is not None:
        return Given(read_files(data, fields))
    if data.name is not None:
        return Given(*read_hub(data, fields))
    return Given(_read_sample(data, fields))


def _read_sample(data: Data, fields: Sequence[Field]) -> dict[str, Rows]:
    # Imported here because other data do without the samples' packages.
    from finetune.data import samples

    assert data.sample is not None
    splits = samples.load(data.sample, asked_columns(fields))
    return {
        split: rows_from_objects(f"the {data.sample} sample, split {split}", objects, fields)
        for split, objects in splits.items()
    }


def _label_names(
    data: Data, fields: Sequence[Field], rows: Mapping[str, Rows], columns: Mapping[str, Columns]
) -> dict[str, tuple[str, ...]]:
    names, errors = {}, []
    for field in fields:
        if field.kind not in ("label", "label_list", "word_labels"):
            continue
        splits = {split: columns[split][field.name] for split in columns}
        if data.labels:
            names[field.name], known_as = data.labels, "data.labels"
        elif field.column in rows["train"].class_names:
            names[field.name], known_as = rows["train"].class_names[field.column], "the data set's classes"
        else:
            names[field.name], known_as = labels.collect(field, splits), "the train split"
        errors += labels.unknown_labels(field, rows, splits, names[field.name], known_as)
    raise_merged(errors)
    return names


def _dataset(rows: Rows, fields: Sequence[Field], columns: Columns) -> Dataset:
    """The columns with ids; those that lie on disk unchanged stay there."""
    unchanged = {field.column: field.name for field in fields if columns[field.name] is rows.columns[field.column]}
    names = unchanged if rows.stored is not None else {}
    made = {name: column for name, column in columns.items() if name not in names.values()}
    parts = [Dataset(pa.table({"id": pa.array(range(len(rows)), pa.int64()), **made}))]
    if rows.stored is not None and names:
        parts.append(rows.stored.select_columns(list(names)).rename_columns(names))
    return concatenate_datasets(parts, axis=1).select_columns(["id", *columns])


def _cut_missing(splits: dict[str, Dataset], data: Data, name: str) -> tuple[dict[str, Dataset], tuple[str, ...]]:
    missing = [split for split in ("dev", "test") if split not in splits]
    if not missing:
        return splits, ()
    train = splits["train"]
    plan = cut(len(train), missing, data, name)
    parts = {split: train.select(indices) for split, indices in plan.parts.items()}
    return {**splits, **parts, "train": train.select(plan.train)}, plan.notes


def _lacking(name: str, splits: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Notes on classes that can be asked for and not learned: declared ones, and rare ones that a cut took away."""
    held = {
        split: labels.distinct(dataset.select_columns([name]).with_format("arrow")[:][name])
        for split, dataset in splits.items()
    }
    return tuple(
        f"{plural(len(lacking), 'label')} in {split} without an example in train: {some(sorted(lacking), most=10)}"
        for split in ("dev", "test")
        if (lacking := held[split] - held["train"])
    )


def _keep_first(splits: dict[str, Dataset], data: Data) -> tuple[dict[str, Dataset], tuple[str, ...]]:
    kept, notes = {}, []
    for split, dataset in splits.items():
        most = getattr(data, f"max_{split}_examples") or len(dataset)
        kept[split] = dataset.select(range(min(most, len(dataset))))
        if most < len(dataset):
            notes.append(f"{split}: the first {most:,} of {len(dataset):,} examples (data.max_{split}_examples)")
    return kept, tuple(notes)
