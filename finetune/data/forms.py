"""The forms in which lists are given, told from the data before they are checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from finetune.data.decimal_commas import as_decimal_points, decimal_note, have_decimal_commas
from finetune.data.fields import Field
from finetune.data.flags import as_class_numbers, count_flags
from finetune.data.messages import raise_merged
from finetune.data.rows import Rows
from finetune.data.single_lists import are_lists_of_one, as_single_values, single_note
from finetune.data.written_lists import LISTED_KINDS, are_written, as_lists, looks_like_list
from finetune.errors import UserError


@dataclass(frozen=True)
class ListForms:
    """How a data set gives its lists.

    Args:
        written: Columns that hold lists written as text.
        num_flags: Columns whose lists hold a 0 or a 1 for each label, and how many labels those are.
        decimal_commas: Columns of numbers with a decimal comma.
        lists_of_one: Columns of one class an example, each in a list.
    """

    written: frozenset[str] = frozenset()
    num_flags: Mapping[str, int] = field(default_factory=dict)
    decimal_commas: frozenset[str] = frozenset()
    lists_of_one: frozenset[str] = frozenset()

    def apply(self, rows: Rows, fields: Sequence[Field], labels: Sequence[str] | None) -> Rows:
        """Return the rows with lists written as text read as lists, and with flags as the labels that are set.

        Args:
            rows: The rows of a split.
            fields: What the task reads of them.
            labels: The recipe's names of the classes, if it has any.

        Raises:
            UserError: A row is not of the form of the others, or there are more or fewer names than flags.
        """
        errors: list[UserError] = []
        for one in {one.column: one for one in fields}.values():
            try:
                rows = as_lists(rows, one) if one.column in self.written else rows
                if one.column in self.num_flags:
                    rows = as_class_numbers(rows, one, self.num_flags[one.column], labels)
                rows = as_decimal_points(rows, one) if one.column in self.decimal_commas else rows
                rows = as_single_values(rows, one) if one.column in self.lists_of_one else rows
            except UserError as error:
                errors.append(error)
        raise_merged(errors)
        return rows

    def notes(self, fields: Sequence[Field], labels: Sequence[str] | None) -> tuple[str, ...]:
        """Return notes for the user on how columns were read."""
        written = [
            f"column {name!r} holds lists written as text: they are read as lists" for name in sorted(self.written)
        ]
        names = ", ".join(labels) if labels else "called by their numbers from 0, unless data.labels names them"
        flags = [
            f"column {column!r} holds lists of {count} numbers, 0 or 1: a flag for each of {count} labels ({names})"
            for column, count in self.num_flags.items()
        ]
        commas = map(decimal_note, sorted(self.decimal_commas))
        return (*written, *flags, *commas, *map(single_note, sorted(self.lists_of_one)))


def refuse_late_lists(forms: ListForms, rows: Rows, fields: Sequence[Field]) -> None:
    """Refuse labels of streamed rows that are lists written as text where the rows before held none.

    Raises:
        UserError: There are such rows.
    """
    for one in fields:
        column = rows.columns[one.column]
        may_look_so = one.kind in ("text", "number", "words", "spans") or one.column in forms.written
        if may_look_so or not are_written([column], one):
            continue
        values = column if isinstance(column, list) else column.to_pylist()
        late = [index for index, value in enumerate(values) if isinstance(value, str) and looks_like_list(value)]
        raise UserError(
            f"column {one.column!r} holds lists written as text here, and none in the rows before",
            where=rows.where(late),
            found=f"{values[late[0]]!r:.80}",
            fix="write all cells as lists or none; data.streaming=false looks at all rows before it reads them",
        )


def find_list_forms(splits: Sequence[Rows], fields: Sequence[Field]) -> ListForms:
    """Return in which form lists of words and labels are written, judged by the rows of all splits together."""
    written: set[str] = set()
    num_flags: dict[str, int] = {}
    commas: set[str] = set()
    lists_of_one: set[str] = set()
    for one in fields:
        if one.kind not in ("label", "number") and one.kind not in LISTED_KINDS:
            continue
        columns = [rows.columns[one.column] for rows in splits]
        if have_decimal_commas(columns, one):
            commas.add(one.column)
            continue
        if are_lists_of_one(columns, one):
            lists_of_one.add(one.column)
            continue
        if one.kind != "number" and are_written(columns, one):
            written.add(one.column)
            try:
                columns = [as_lists(rows, one).columns[one.column] for rows in splits]
            except UserError:  # is raised where the form is applied, for every split
                continue
        is_named = any(one.column in rows.class_names for rows in splits)
        if not is_named and (one.kind == "label_list" or one.is_open):
            count = count_flags(columns, one)
            num_flags |= {} if count is None else {one.column: count}
    return ListForms(frozenset(written), num_flags, frozenset(commas), frozenset(lists_of_one))
