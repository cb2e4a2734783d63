"""The worst test examples of a run, as a table that can be sorted, filtered and searched."""

import html
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeAlias

from finetune.report.page.differences import marked_differences
from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import TextPiece, shortened
from finetune.report.page.words import label_types, legend, marked_words
from finetune.tasks import EvaluationRecord

LONGEST_TEXT = 700
"""Number of characters of a text that are shown."""
_MOST_ROWS = 400
_MOST_BYTES = 1_200_000
"""The size of all rows of a report together, by which it stays below 3 MB."""
_SHARE_OF_MISTAKES = 0.75
"""Share of the rows that are kept for mistakes; the others show right predictions of which the model was least sure."""
_MOST_SCORED = 2_000_000
"""Number of characters that are scored to find the worst outputs, which takes about a second."""
_ROW_BYTES, _PIECE_BYTES = 300, 45
_MOST_CHOICES = 60


@dataclass(frozen=True)
class Cell:
    """A cell of a table of examples.

    Args:
        pieces: The text, in pieces that may be marked.
        order: What rows are sorted by.
    """

    pieces: tuple[TextPiece, ...]
    order: str | float

    @classmethod
    def of(cls, text: str) -> "Cell":
        """Return the cell of a text without marks."""
        cut = shortened(text, LONGEST_TEXT)
        return cls((TextPiece(cut),), cut[:40].casefold())

    @property
    def size(self) -> int:
        """Bytes that the cell takes in the page, about."""
        return sum(len(html.escape(one.text).encode(errors="replace")) + _PIECE_BYTES for one in self.pieces)


@dataclass(frozen=True)
class ExampleRow:
    """A row of a table of examples.

    Args:
        cells: The cells, one for each heading.
        choices: By the name of each filter the value by which it chooses the row.
    """

    cells: tuple[Cell, ...]
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExampleTable:
    """A table of examples that can be sorted, filtered and searched.

    Args:
        title: What the rows are.
        headings: The headings of the columns.
        rows: The rows, the worst first.
        note: How the rows were chosen.
        legend: The colours of labels, for words that are marked by them.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[ExampleRow, ...]
    note: str
    legend: tuple[TextPiece, ...] = ()

    @property
    def filters(self) -> dict[str, list[str]]:
        """The values that each filter can choose, where there are at least two and not too many."""
        names = dict.fromkeys(name for row in self.rows for name in row.choices)
        values = {name: sorted({row.choices[name] for row in self.rows if name in row.choices}) for name in names}
        return {name: found for name, found in values.items() if 1 < len(found) <= _MOST_CHOICES}


@dataclass(frozen=True)
class Room:
    """How much of a run's examples a page has room for.

    Args:
        num_runs: Number of runs that share the page.
        num_records: Number of examples of the run.
    """

    num_runs: int
    num_records: int

    @property
    def rows(self) -> int:
        """The largest number of rows."""
        return max(_MOST_ROWS // self.num_runs, 20)

    @property
    def size(self) -> int:
        """The largest size of all rows in bytes."""
        return _MOST_BYTES // self.num_runs


Ranked: TypeAlias = Sequence[tuple[EvaluationRecord, bool]]
"""Records in the order in which they are shown, and whether each is predicted right."""


def example_table(run: ReportedRun, num_runs: int = 1) -> ExampleTable | str:
    """Return the worst examples of a run, or else a sentence that says why they are not shown.

    Args:
        run: The run.
        num_runs: Number of runs that share the page.
    """
    records = [record for record in run.records if record.reference is not None]
    if not run.records:
        return f"The examples are not shown: {run.problem or 'there are none'}."
    if not records:
        return "The test examples have no references, so that none can be called wrong."
    try:
        return _table_of(run, records, Room(num_runs, len(records)))
    except (TypeError, ValueError, AttributeError) as error:
        return f"The examples are not shown: they are not those of this task ({type(error).__name__}: {error})."


def _table_of(run: ReportedRun, records: Sequence[EvaluationRecord], room: Room) -> ExampleTable:
    if run.task.reads_words:
        return _words(run, records, room)
    if run.task.writes_text:
        return _texts(run, records, room)
    if all(isinstance(record.reference, int | float) for record in records):
        return _numbers(run, records, room)
    return _classes(run, records, room)


def _classes(run: ReportedRun, records: Sequence[EvaluationRecord], room: Room) -> ExampleTable:
    sureness = {record.id: _probability(record, record.prediction) for record in records}
    wrong = [record for record in records if run.task.example_score(record) < 1]
    right = [record for record in records if run.task.example_score(record) >= 1]
    wrong.sort(key=lambda record: -(sureness[record.id] or 0))
    right.sort(key=lambda record: sureness[record.id] or 0)
    has_sureness = any(value is not None for value in sureness.values())

    def row(record: EvaluationRecord, is_right: bool) -> ExampleRow:
        answers = plain(record.prediction), plain(record.reference)
        cells = [_id(record), Cell.of(plain(record.input)), *map(Cell.of, map(shortened, answers))]
        cells += [_share(sureness[record.id]), _share(_probability(record, record.reference))] if has_sureness else []
        return ExampleRow(tuple(cells), _choices(is_right, *answers))

    sure = ("probability of the prediction", "probability of the reference") if has_sureness else ()
    note = f"{len(wrong):,} of {len(records):,} examples are predicted wrong"
    note += "; those of which the model was most certain come first." if has_sureness else "."
    headings = ("number", "text", "prediction", "reference", *sure)
    return _table("The most confident mistakes", headings, _ranked(wrong, right, room), row, note, room)


def _numbers(run: ReportedRun, records: Sequence[EvaluationRecord], room: Room) -> ExampleTable:
    ordered = sorted(records, key=run.task.example_score)

    def row(record: EvaluationRecord, _: bool) -> ExampleRow:
        values = float(record.prediction), float(record.reference), -run.task.example_score(record)
        return ExampleRow((_id(record), Cell.of(plain(record.input)), *(_number(value) for value in values)))

    headings = ("number", "text", "prediction", "reference", "distance")
    note = f"The predictions of {len(records):,} examples, the farthest from their references first."
    return _table("The worst predictions", headings, [(one, False) for one in ordered], row, note, room)


def _texts(run: ReportedRun, records: Sequence[EvaluationRecord], room: Room) -> ExampleTable:
    ends = accumulate(len(str(record.prediction)) + len(str(record.reference)) for record in records)
    scored = records[: sum(end <= _MOST_SCORED for end in ends) or 1]
    scores = {record.id: run.task.example_score(record) for record in scored}
    ordered = sorted(scored, key=lambda record: scores[record.id])

    def row(record: EvaluationRecord, is_right: bool) -> ExampleRow:
        texts = (shortened(str(text), LONGEST_TEXT) for text in (record.prediction, record.reference))
        output, reference = marked_differences(*texts)
        marked = [Cell(pieces, pieces[0].text[:40].casefold() if pieces else "") for pieces in (output, reference)]
        cells = (_id(record), Cell.of(plain(record.input)), *marked, _number(scores[record.id], 1))
        return ExampleRow(cells, _choices(is_right))

    headings = ("number", "source", "output", "reference", "chrF")
    part = f"first {len(scored):,} of {len(records):,} examples" if len(scored) < len(records) else "test examples"
    note = f"The {part} with the lowest chrF. Marked: what only the output, and what only the reference has."
    ranked = [(record, record.prediction == record.reference) for record in ordered]
    return _table("The worst outputs", headings, ranked, row, note, room)


def _words(run: ReportedRun, records: Sequence[EvaluationRecord], room: Room) -> ExampleTable:
    scores = {record.id: run.task.example_score(record) for record in records}
    wrong = {
        record.id: sum(one != other for one, other in zip(record.prediction, record.reference, strict=True))
        for record in records
    }
    types = label_types(label for record in records for label in (*record.reference, *record.prediction))
    ordered = sorted(records, key=lambda record: (-wrong[record.id], scores[record.id]))

    def row(record: EvaluationRecord, is_right: bool) -> ExampleRow:
        pieces = marked_words(record.input, record.prediction, record.reference, types)
        words = Cell(pieces, " ".join(record.input)[:40].casefold())
        counts = _number(wrong[record.id], 0), _number(len(record.input), 0), _share(scores[record.id])
        return ExampleRow((_id(record), words, *counts), _choices(is_right))

    headings = ("number", "words", "wrong", "of", "share right")
    failed = sum(map(bool, wrong.values()))
    note = (
        f"{failed:,} of {len(records):,} examples have words with a wrong label; those with the most come first. A "
        "colour is the predicted type; below a wrong word stand the prediction and, after the arrow, the reference."
    )
    ranked = _ranked([one for one in ordered if wrong[one.id]], [one for one in ordered if not wrong[one.id]], room)
    return _table("The worst examples", headings, ranked, row, note, room, legend(types))


def _ranked(wrong: Sequence[EvaluationRecord], right: Sequence[EvaluationRecord], room: Room) -> Ranked:
    """Return the mistakes with what room there is for right predictions after them."""
    rows = room.rows
    mistakes = wrong[: max(int(rows * _SHARE_OF_MISTAKES), rows - len(right))]
    return [*((one, False) for one in mistakes), *((one, True) for one in right[: rows - len(mistakes)])]


def _table(
    title: str,
    headings: tuple[str, ...],
    ranked: Ranked,
    row: Callable[[EvaluationRecord, bool], ExampleRow],
    note: str,
    room: Room,
    legend: tuple[TextPiece, ...] = (),
) -> ExampleTable:
    made = (row(record, is_right) for record, is_right in ranked[: room.rows])
    rows = tuple(_within(made, room.size))
    is_part = len(rows) < room.num_records
    shown = (
        f" {len(rows):,} of {room.num_records:,} examples are shown; predictions_test.jsonl has all." if is_part else ""
    )
    return ExampleTable(title, headings, rows, note + shown, legend)


def _within(rows: Iterable[ExampleRow], limit: int) -> Iterator[ExampleRow]:
    """Yield rows as long as their sizes add up to less than a limit in bytes."""
    for row in rows:
        limit -= _ROW_BYTES + sum(cell.size for cell in row.cells)
        if limit < 0:
            return
        yield row


def _choices(is_right: bool, prediction: str = "", reference: str = "") -> dict[str, str]:
    found = {"outcome": "right" if is_right else "wrong", "prediction": prediction, "reference": reference}
    return {name: shortened(value) for name, value in found.items() if value}


def plain(value: Any) -> str:
    """Return an input or an answer as text; several texts are separated by a bar."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " | ".join(value) if value else "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _probability(record: EvaluationRecord, label: Any) -> float | None:
    """Return the probability of a class, or the least of several classes; None where it is not stored."""
    stored = record.extra.get("probabilities")
    labels = label if isinstance(label, list) else [label]
    if not isinstance(stored, dict) or not labels or not all(isinstance(stored.get(one), float) for one in labels):
        return None
    return min(float(stored[one]) for one in labels)


def _id(record: EvaluationRecord) -> Cell:
    return Cell((TextPiece(str(record.id)),), float(record.id) if isinstance(record.id, int) else str(record.id))


def _number(value: float, decimals: int = 4) -> Cell:
    return Cell((TextPiece(f"{value:.{decimals}f}"),), value)


def _share(value: float | None) -> Cell:
    return Cell((TextPiece("not stored"),), -1.0) if value is None else Cell((TextPiece(f"{value:.1%}"),), value)
