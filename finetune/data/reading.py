"""The rows of each source and split that the recipe's `data` section names and its filter keeps, unchecked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from finetune.data import sentences
from finetune.data.fields import Field
from finetune.data.files import read_files
from finetune.data.filtering import Filter
from finetune.data.forms import find_list_forms
from finetune.data.hub import read_hub
from finetune.data.messages import raise_merged
from finetune.data.one_hot import flags_note, join_flags, parts_of
from finetune.data.python_source import read_function
from finetune.data.rows import Rows
from finetune.data.streaming import stream
from finetune.errors import UserError, UserErrors
from finetune.recipe import Data, DataSource

_GROUPS = "data.group_column"
_SLICES = "evaluation.slices"


@dataclass(frozen=True)
class AuxiliaryField(Field):
    """A column that is read for something else than the task.

    Args:
        of: The recipe's key that names the column.
    """

    of: str = ""

    @property
    def key(self) -> str:
        return self.of


@dataclass(frozen=True)
class SourceRows:
    """The rows of one source.

    Args:
        data: The source, as if it were the only one.
        fields: What the task reads of it.
        rows: The rows of every split that it has, unchecked.
        notes: What the user should know about them, in sentences.
        weight: The weight of the source among several; None if none is given.
        slices: The columns by which scores are sliced.
    """

    data: Data
    fields: tuple[Field, ...]
    rows: Mapping[str, Rows]
    notes: tuple[str, ...] = ()
    weight: float | None = None
    slices: tuple[str, ...] = ()


def read_sources(data: Data, fields: Sequence[Field], slices: Sequence[str] = ()) -> tuple[SourceRows, ...]:
    """Return the rows of every source, as they are.

    Args:
        data: The sources.
        fields: What the task reads.
        slices: Further columns that are read, by which scores are sliced.

    Raises:
        UserError: Sources cannot be found or read, or their filters cannot be used; all are reported at once.
    """
    if not data.sources:
        return (_read_one(data, fields, slices),)
    given, errors = [], []
    for number, source in enumerate(data.sources):
        alone = data.model_copy(
            update={name: getattr(source, name) for name in DataSource.model_fields} | {"sources": ()}
        )
        alone = alone.model_copy(update={"columns": data.columns.model_copy(update=source.columns)})
        named = [replace(field, column=source.columns.get(field.name, field.column)) for field in fields]
        try:
            given.append(replace(_read_one(alone, named, slices), weight=source.weight))
        except UserError as error:
            errors.append(of_source(error, number))
    raise_merged(errors)
    return tuple(given)


def of_source(error: UserError, number: int) -> UserError:
    """Return the error with the number of the source that it is about."""
    if isinstance(error, UserErrors):
        return UserErrors([of_source(one, number) for one in error.errors])
    where = f"data.sources[{number}]" + (f": {error.where}" if error.where else "")
    return UserError(error.problem, expected=error.expected, found=error.found, where=where, fix=error.fix)


def _read_one(data: Data, fields: Sequence[Field], slices: Sequence[str]) -> SourceRows:
    return replace(_read_rows(data, fields, slices), slices=tuple(slices))


def _auxiliary_fields(data: Data, keep: Filter | None, slices: Sequence[str]) -> list[AuxiliaryField]:
    """Return the columns that are read for something else than the task."""
    extras = [AuxiliaryField("filter", "text", column, of="data.filter") for column in (keep.columns if keep else ())]
    if data.group_column is not None:
        extras.append(AuxiliaryField("group_column", "text", data.group_column, of=_GROUPS))
    extras += [AuxiliaryField("slices", "text", column, of=_SLICES) for column in slices]
    if data.columns.sentence is not None:
        extras.append(AuxiliaryField("sentence", "text", data.columns.sentence, of=sentences.KEY))
    return extras


def _read_rows(data: Data, fields: Sequence[Field], slices: Sequence[str]) -> SourceRows:
    keep = None if data.filter is None else Filter.of(data.filter)
    extras = _auxiliary_fields(data, keep, slices)
    if data.columns.sentence is not None:
        _check_sentences(data, fields)
    if data.streaming and (data.function is not None or data.path is not None):
        _refuse_streamed_flags(fields)
        rows, notes = stream(data, fields, keep, extras, slices)
        return SourceRows(data, tuple(fields), rows, notes)
    rows, notes = _rows(data, (*parts_of(fields), *extras))
    notes = (*notes, *dict.fromkeys(note for part in rows.values() for note in part.notes))
    rows = _by_split(rows, lambda part: _filled(part, data))
    rows, more = _filtered(rows, keep)
    rows = _by_split(rows, lambda part: join_flags(part, fields, data.labels))
    more += [flags_note(field) for field in fields if field.flag_columns]
    rows = _by_split(rows, lambda part: _grouped(part, data, fields))
    forms = find_list_forms(list(rows.values()), fields)
    rows = _by_split(rows, lambda part: forms.apply(part, fields, data.labels))
    return SourceRows(data, tuple(fields), rows, (*notes, *more, *forms.notes(fields, data.labels)))


def _by_split(rows: Mapping[str, Rows], change: Callable[[Rows], Rows]) -> dict[str, Rows]:
    """Return the changed rows of each split.

    Raises:
        UserError: Rows cannot be changed; the errors of all splits are raised at once.
    """
    changed, errors = {}, []
    for split, part in rows.items():
        try:
            changed[split] = change(part)
        except UserError as error:
            errors.append(error)
    raise_merged(errors)
    return changed


def _check_sentences(data: Data, fields: Sequence[Field]) -> None:
    """Refuse a column of sentences if rows cannot be grouped by it.

    Raises:
        UserError: The task reads no words, or the rows are streamed.
    """
    where = f"{sentences.KEY}={data.columns.sentence}"
    if not any(field.kind == "words" for field in fields):
        raise UserError("only words can be grouped into sentences", where=where, expected="token classification")
    if data.streaming and (data.function is not None or data.path is not None):
        raise UserError(
            "rows that are streamed cannot be grouped into sentences", where=where, fix="data.streaming=false"
        )


def _refuse_streamed_flags(fields: Sequence[Field]) -> None:
    flags = [field for field in fields if field.flag_columns]
    if flags:
        raise UserError(
            "columns of 0 and 1 cannot be read as labels where rows are streamed",
            where=f"{flags[0].key}=[{flags[0].column}]",
            fix="data.streaming=false",
        )


def _filled(rows: Rows, data: Data) -> Rows:
    return rows if data.columns.sentence is None else sentences.fill_sentences(rows, data.columns.sentence)


def _grouped(rows: Rows, data: Data, fields: Sequence[Field]) -> Rows:
    if data.columns.sentence is None:
        return rows
    return sentences.group_sentences(rows, fields, data.columns.sentence)


def _filtered(rows: dict[str, Rows], keep: Filter | None) -> tuple[dict[str, Rows], list[str]]:
    """Return the rows of each split that the filter keeps, and notes for the user."""
    if keep is None:
        return rows, []
    filtered, errors, notes = {}, [], []
    for split, part in rows.items():
        try:
            filtered[split], note = keep.apply(part)
            notes.append(note)
        except UserError as error:
            errors.append(error)
    raise_merged(errors)
    return filtered, notes


def _rows(data: Data, fields: Sequence[Field]) -> tuple[dict[str, Rows], tuple[str, ...]]:
    if data.function is not None or data.is_of_package:
        return read_function(data, fields), ()
    if data.path is not None:
        return read_files(data, fields), ()
    return read_hub(data, fields)
