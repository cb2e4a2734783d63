"""From a recipe's `data` section to three checked splits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from finetune.data import labels
from finetune.data.checks import ArrowColumns, checked_columns
from finetune.data.cutting import cut
from finetune.data.empty import without_empty
from finetune.data.fields import Field
from finetune.data.groups import GROUP, SLICE, group_keys, slice_values
from finetune.data.label_checks import label_warnings
from finetune.data.loaded import LoadedData
from finetune.data.messages import plural, raise_merged, shorten_list
from finetune.data.mixing import mix
from finetune.data.reading import SourceRows, of_source, read_sources
from finetune.data.rows import Rows
from finetune.data.sentences import refuse_single_words
from finetune.data.subset import keep_some
from finetune.data.targets import infer_label_kinds
from finetune.data.unlabelled import fields_by_split, unlabelled_note
from finetune.data.whole_numbers import whole_numbers
from finetune.errors import UserError
from finetune.recipe import Data


def load_data(data: Data, fields: Sequence[Field], slices: Sequence[str] = ()) -> LoadedData:
    """Read, check and split the examples that a recipe names.

    Args:
        data: Where they come from: its sources, else its function, its path, its Hub name, its sample.
        fields: What to read of each.
        slices: Further columns to keep, by which scores are sliced.

    Raises:
        UserError: A source cannot be found or read, or rows are wrong: with file and line, or data set and row.
    """
    return assemble(read_sources(data, fields, slices), data)


def assemble(given: Sequence[SourceRows], data: Data, *, of_model: bool = False) -> LoadedData:
    """Check, split and mix what was read.

    Args:
        given: The rows of each source.
        data: The `data` section that they were read by.
        of_model: Whether the rows are examples for a trained model, whose classes are `data.labels`: the rows of the
            train split are then all three splits, and nothing is cut from them.

    Raises:
        UserError: Rows are wrong: with file and line, or data set and row.
    """
    parts, errors = [], []
    for number, one in enumerate(given):
        try:
            parts.append(_assemble_one(one, of_model=of_model))
        except UserError as error:
            errors.append(of_source(error, number) if data.sources else error)
    raise_merged(errors)
    whole = mix(parts, [one.weight for one in given], data) if data.sources else parts[0]
    splits, notes = keep_some({"train": whole.train, "dev": whole.dev, "test": whole.test}, data)
    return replace(whole, **splits, notes=(*whole.notes, *notes))


def _assemble_one(given: SourceRows, *, of_model: bool) -> LoadedData:
    data, rows = given.data, given.rows
    fields = infer_label_kinds(given.fields, rows["train"])
    held = fields_by_split(rows, fields, data.labels or ())
    rows, empty_notes = without_empty(rows, held) if data.on_empty == "skip" else (rows, ())
    columns = checked_columns(rows, fields, held)
    for field in fields:
        if field.kind == "words" and data.columns.sentence is None:
            refuse_single_words(rows["train"], field, columns["train"][field.name])
    columns, whole_notes = whole_numbers(data, fields, rows, columns)
    columns, label_notes = _named(data, fields, columns)
    if len(held.get("test", fields)) < len(fields):
        label_notes = (*label_notes, unlabelled_note(rows))
    known_as = labels.OF_MODEL if of_model else "data.labels"
    names = _label_names(data, fields, rows, columns, known_as)
    splits = {split: _dataset(rows[split], held[split], columns[split]) for split in rows}
    splits = {split: _with_auxiliary(dataset, rows[split], given) for split, dataset in splits.items()}
    cut_notes: tuple[str, ...] = ()
    if of_model:
        splits = dict.fromkeys(("train", "dev", "test"), splits["train"])
    else:
        splits, cut_notes = _cut_missing(splits, data, rows["train"])
    lacking = [
        note for field in fields if field.kind in ("label", "label_list") for note in _lacking(field.name, splits)
    ]

    def where(split: str, example: int) -> str:
        return rows[split if split in rows else "train"].where([example])  # what was cut from train keeps its id

    notes = (*given.notes, *empty_notes, *whole_notes, *label_notes, *cut_notes, *lacking)
    warnings = _warnings(data, fields, rows, columns)
    return LoadedData(**splits, labels=names, notes=notes, where=where, warnings=warnings)


def _warnings(
    data: Data, fields: Sequence[Field], rows: Mapping[str, Rows], columns: Mapping[str, ArrowColumns]
) -> tuple[UserError, ...]:
    """Return warnings about the labels."""
    return tuple(
        warning
        for field in fields
        if field.kind in ("label", "label_list", "word_labels")
        for warning in label_warnings(
            field, rows, _column(columns, field), data.labels or rows["train"].class_names.get(field.column, ())
        )
    )


def _column(columns: Mapping[str, ArrowColumns], field: Field) -> dict[str, pa.ChunkedArray]:
    """Return a field's column of each split that has one."""
    return {split: one[field.name] for split, one in columns.items() if field.name in one}


def _named(
    data: Data, fields: Sequence[Field], columns: Mapping[str, ArrowColumns]
) -> tuple[dict[str, ArrowColumns], tuple[str, ...]]:
    """Return the columns with class numbers replaced by the names in data.labels, and notes.

    The notes say which numbers were replaced, and how many words have no target.
    """
    made, notes = {split: dict(one) for split, one in columns.items()}, []
    for field in fields:
        if field.kind not in ("label", "word_labels"):
            continue
        held = [one for one in made.values() if field.name in one]
        replaced = False
        for one in held:
            column = labels.name_classes(field, one[field.name], data.labels or ())
            replaced |= column is not one[field.name]
            one[field.name] = column
        if replaced:
            numbers = [f"{number} is {name}" for number, name in enumerate(data.labels or ())]
            notes.append(
                f"numbers in column {field.column!r} are places in data.labels: {shorten_list(numbers, most=5)}"
            )
        ignored = sum(labels.count_label(one[field.name], labels.NO_TARGET) for one in held)
        if ignored and labels.is_no_target(field, data.labels or ()):
            notes.append(f"{plural(ignored, 'word')} labelled {labels.NO_TARGET}: neither learned nor scored")
    return made, tuple(notes)


def _label_names(
    data: Data, fields: Sequence[Field], rows: Mapping[str, Rows], columns: Mapping[str, ArrowColumns], declared_as: str
) -> dict[str, tuple[str, ...]]:
    names, errors = {}, []
    for field in fields:
        if field.kind not in ("label", "label_list", "word_labels"):
            continue
        splits = _column(columns, field)
        if data.labels:
            names[field.name], known_as = data.labels, declared_as
        elif field.column in rows["train"].class_names:
            names[field.name], known_as = rows["train"].class_names[field.column], "the data set's classes"
        else:
            names[field.name], known_as = labels.collect_labels(field, splits), "the train split"
        errors += labels.unknown_labels(field, rows, splits, names[field.name], known_as)
    raise_merged(errors)
    return names


def _dataset(rows: Rows, fields: Sequence[Field], columns: ArrowColumns) -> Dataset:
    """Return the columns as a data set with an `id`; columns that are on the disk unchanged are mapped from there."""
    unchanged = {field.column: field.name for field in fields if columns[field.name] is rows.columns[field.column]}
    names = unchanged if rows.stored is not None else {}
    made = {name: column for name, column in columns.items() if name not in names.values()}
    parts = [Dataset(pa.table({"id": pa.array(range(len(rows)), pa.int64()), **made}))]
    if rows.stored is not None and names:
        parts.append(rows.stored.select_columns(list(names)).rename_columns(names))
    return concatenate_datasets(parts, axis=1).select_columns(["id", *columns])


def _with_auxiliary(split: Dataset, rows: Rows, given: SourceRows) -> Dataset:
    """Return the examples of a split with their groups, and with the values by which scores are sliced."""
    if given.data.group_column is not None:
        split = split.add_column(GROUP, group_keys(rows.columns[given.data.group_column]))
    for name in given.slices:
        split = split.add_column(SLICE + name, slice_values(rows.columns[name], rows.class_names.get(name)))
    return split


def _cut_missing(splits: dict[str, Dataset], data: Data, rows: Rows) -> tuple[dict[str, Dataset], tuple[str, ...]]:
    missing = [split for split in ("dev", "test") if split not in splits]
    if not missing:
        return splits, ()
    train = splits["train"]
    groups = None if data.group_column is None else rows.columns[data.group_column]
    plan = cut(len(train), missing, data, rows.name, groups)
    parts = {split: train.select(indices) for split, indices in plan.parts.items()}
    return {**splits, **parts, "train": train.select(plan.train)}, plan.notes


def _lacking(name: str, splits: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Return notes on classes in dev or test that no example of train has, such as rare ones that a cut took away."""
    held = {
        split: labels.distinct_labels(dataset.select_columns([name]).with_format("arrow")[:][name])
        for split, dataset in splits.items()
        if name in dataset.column_names
    }
    return tuple(
        f"{plural(len(lacking), 'label')} in {split} without an example in train: "
        f"{shorten_list(sorted(lacking), most=10)}"
        for split in ("dev", "test")
        if (lacking := held.get(split, set()) - held["train"])
    )
