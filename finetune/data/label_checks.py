"""Labels that are probably not what they seem: two spellings of one class, or a column that holds no classes."""

import unicodedata
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.fields import Field
from finetune.data.labels import distinct_labels, rows_with
from finetune.data.messages import escaped, plural, shorten_list
from finetune.data.rows import Rows
from finetune.errors import UserError

_MISSING = ("nan", "<na>")
"""What pandas and numpy write as text in the place of a missing value, in lower case."""
_FEWEST_ROWS = 10
"""With fewer rows, that most classes have one example means little."""


def alike(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of labels that differ only in case, Unicode form or invisible characters."""
    groups: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        groups.setdefault(_folded(label), []).append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def label_warnings(
    field: Field, rows: Mapping[str, Rows], columns: Mapping[str, pa.ChunkedArray], declared: Iterable[str]
) -> list[UserError]:
    """Return warnings about labels that look alike, labels that look like missing values, and a column without classes.

    Args:
        field: The field of the labels.
        rows: The rows of each split, for places.
        columns: The labels of each split: string or list<string>.
        declared: The classes that the recipe names, which are all meant.
    """
    found = set().union(*map(distinct_labels, columns.values())) - set(declared)
    warnings = [_alike(field, rows, columns, group) for group in alike(found)]
    if missing := sorted(label for label in found if label.casefold() in _MISSING):
        warnings.append(_missing(field, rows, columns, missing))
    train = columns["train"]
    if field.kind == "label" and not declared and len(train) >= _FEWEST_ROWS:
        counts = pc.value_counts(train)
        single = pc.sum(pc.equal(counts.field("counts"), 1)).as_py() or 0
        if 2 * single > len(counts):
            warnings.append(_no_classes(field, rows["train"], train, len(counts), single))
    return warnings


def _folded(label: str) -> str:
    """Return a label without case, Unicode form and invisible characters, so that labels that look alike are equal."""
    visible = (one for one in unicodedata.normalize("NFKC", label) if unicodedata.category(one) not in ("Cf", "Cc"))
    return " ".join(unicodedata.normalize("NFKC", "".join(visible).casefold()).split())


def _alike(
    field: Field, rows: Mapping[str, Rows], columns: Mapping[str, pa.ChunkedArray], group: tuple[str, ...]
) -> UserError:
    by_case = len({label.casefold() for label in group}) == 1
    reason = "but for case" if by_case else "but for case, Unicode form or characters that nobody sees"
    rarest = min(group, key=lambda label: sum(len(rows_with(column, [label])) for column in columns.values()))
    return UserError(
        f"{plural(len(group), 'label')} of column {field.column!r} are equal {reason}, and count as different classes: "
        + shorten_list([escaped(label) for label in group]),
        where=_places(rows, columns, [rarest]),
        found=f"{escaped(rarest)} in these rows, which is the rarest of them",
        fix="write the labels in one way; data.labels=[...] names the classes where all of them are meant",
    )


def _missing(
    field: Field, rows: Mapping[str, Rows], columns: Mapping[str, pa.ChunkedArray], missing: list[str]
) -> UserError:
    return UserError(
        f"{shorten_list(missing)} of column {field.column!r} counts as a class, and is what pandas writes where a "
        "label is missing",
        where=_places(rows, columns, missing),
        fix="leave out these rows by data.filter; data.labels=[...] names the classes where it is meant as one",
    )


def _places(rows: Mapping[str, Rows], columns: Mapping[str, pa.ChunkedArray], labels: list[str]) -> str:
    """Return where the rows with any of these labels are, in all splits."""
    places = {split: rows_with(column, labels) for split, column in columns.items()}
    return "; ".join(rows[split].where(found) for split, found in places.items() if found)


def _no_classes(field: Field, rows: Rows, labels: pa.ChunkedArray, count: int, single: int) -> UserError:
    return UserError(
        f"column {field.column!r} seems to hold no classes: {single:,} of its {plural(count, 'label')} have a single "
        f"example in {len(labels):,} rows of train",
        where=rows.name,
        expected="a few classes with many examples each",
        found=shorten_list([escaped(label) for label in labels.slice(0, 3).to_pylist()]),
        fix=f"{field.key}=... names another column; a text is learned by task.kind=text_to_text, a number by "
        "task.problem_type=regression",
    )
