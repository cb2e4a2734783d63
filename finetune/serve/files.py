"""`predict_file`: answers to the rows of a file, a window of rows at a time."""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, TypeAlias

from finetune import tasks
from finetune.data.files.bad_rows import BadRow
from finetune.data.messages import plural
from finetune.errors import UserError
from finetune.progress import say, warn
from finetune.recipe import Recipe
from finetune.serve.as_trained import as_trained, grouped
from finetune.serve.examples import Example, InputRow, read_example, with_words
from finetune.serve.formats import Input, resolve_format
from finetune.serve.loading import find_recipe, load_predictor
from finetune.serve.model_location import ModelLocation
from finetune.serve.predictor import Predictor
from finetune.serve.progress import Counter
from finetune.serve.reading import InputRows, open_rows
from finetune.serve.writing import Output, OutputFile, Write, check_output, writer

WINDOW = 2048
"""Rows that are sorted by length together, and held in memory."""
SHOWN = 20
"""Bad rows that are told one by one; of the others the output tells."""

Checked: TypeAlias = tuple[InputRow, Example | BadRow]
"""A row with what the task reads of it, or why it cannot."""


@dataclass(frozen=True)
class Summary:
    """What became of a file: how many rows there were, and how many of them got no answer."""

    rows: int
    bad: int


def predict_file(
    name: str,
    given: Input,
    wanted: Output,
    *,
    kind: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    scores: bool = False,
    window: int = WINDOW,
) -> Summary:
    """Answer each row of a file, in the rows' order, with the columns it came with.

    A row that cannot be read gets an answer without a prediction that says why; it stops nothing.

    Args:
        name: The model: the folder of a run, of a run's model or checkpoint, or of any model; or a name on the Hub.
        given: Where rows come from.
        wanted: Where answers go.
        kind: The task, where neither a recipe nor the model's class tells it.
        overrides: Other values of the keys of the model's recipe, such as data.columns.text.
        scores: Whether answers say how sure the model is.
        window: Rows that are read, predicted and written together: memory and the order of work depend on it, answers
            do not.

    Raises:
        UserError: The model, the input or the output cannot be had, or no row is of the right form.
        SystemExit: SIGTERM ended the work.
    """
    with _ended_by_sigterm():
        return _predict_file(name, given, wanted, kind, overrides or {}, scores, window)


def _predict_file(
    name: str,
    given: Input,
    wanted: Output,
    kind: str | None,
    overrides: Mapping[str, Any],
    scores: bool,
    window: int,
) -> Summary:
    _keep_no_products()
    of_input = resolve_format(given.path, given.format, "--format")
    of_output = wanted.resolve_format(of_input, scores=scores)
    check_output(wanted, given.path)
    origin, recipe = find_recipe(name, kind, overrides)
    if "data.column_names" in overrides:  # the model's own recipe tells of the file that it was trained on
        given = replace(given, column_names=recipe.data.column_names)
    fields = tasks.create(recipe).input_fields
    separator = given.delimiter
    given, notes = as_trained(given, of_input, recipe.data, fields)
    for note in notes:
        say(note)
    if separator is None and of_output == of_input:  # a table is written as it was
        separator = given.delimiter
    with open_rows(given, fields) as rows:
        sentence = recipe.data.columns.sentence
        read = iter(rows) if sentence is None else grouped(iter(rows), sentence, fields)
        checked = ((row, read_example(row, fields, given.encoding or "utf-8")) for row in read)
        windows = _windows(checked, window)
        first = next(windows, [])
        _check_form(first, given)
        if first and with_words(first[0][0].columns, fields) is not first[0][0].columns:
            say(f"{given.name}: words are cut from its texts, at spaces and punctuation")
        predictor = _introduced(origin, recipe, scores=scores)
        with OutputFile(wanted) as file, Counter(_size(given)) as counter:
            write = writer(of_output, file, rows.header, predictor.answers, separator)
            work = _Work(predictor, write, file, rows, counter)
            work.run(chain([first], windows), wanted)
    return work.summary(given)


class _Work:
    """The loop over windows.

    Args:
        predictor: The model.
        write: Writes a row.
        file: Where to.
        rows: Know how much was read.
        counter: Shows it.
    """

    def __init__(self, predictor: Predictor, write: Write, file: OutputFile, rows: InputRows, counter: Counter) -> None:
        self.predictor = predictor
        self.write = write
        self.file = file
        self.rows = rows
        self.counter = counter
        self.bad = 0

    def run(self, windows: Iterable[Sequence[Checked]], wanted: Output) -> None:
        """Answer all windows; the answers of those that are finished are kept whatever ends the work early."""
        try:
            for window in windows:
                self._window(window)
        except BrokenPipeError:  # whoever read the answers has enough
            raise
        except BaseException:
            self.file.keep_flushed()
            rows = f"the first {plural(self.counter.rows, 'row')}"
            if wanted.is_replaced:
                say(f"ended early: {rows} are in {wanted.partial}, and {wanted.path} is not written")
            else:
                say(f"ended early: only {rows} are answered")
            raise

    def summary(self, given: Input) -> Summary:
        """Say what was done, and warn of what was not."""
        rows, seconds = self.counter.rows, self.counter.seconds
        say(f"{plural(rows, 'row')} in {seconds:,.1f} s")
        if self.predictor.num_cut:
            say(f"  {plural(self.predictor.num_cut, 'input')} cut at the longest length allowed")
        if self.bad:
            warn(f"{self.bad:,} of {plural(rows, 'row')} of {given.name} without a prediction")
        return Summary(rows, self.bad)

    def _window(self, window: Sequence[Checked]) -> None:
        examples = [read for _, read in window if not isinstance(read, BadRow)]
        answers = iter(self.predictor.predict(examples))
        for row, read in window:
            found = read if isinstance(read, BadRow) else next(answers)
            if isinstance(found, BadRow):
                self._bad(row, found)
            else:
                self.write(row.columns, found, None)
        self.file.flush()
        self.counter.advance(len(window), self.rows.position)

    def _bad(self, row: InputRow, problem: BadRow) -> None:
        reason = f"{row.place}: {problem.reason}"
        self.write(row.columns, self.predictor.answers.blank, reason)
        self.bad += 1
        if self.bad <= SHOWN:
            say(f"no prediction: {reason}")
        elif self.bad == SHOWN + 1:
            say("more rows without a prediction are told in the output alone")


def _keep_no_products() -> None:
    """Let oneDNN forget how each product of matrices is computed once it is done.

    It keeps up to 1,024 of them, some for each number of tokens that a batch has had: a gigabyte after a hundred
    thousand rows, where making each anew takes a tenth of a small model's time. The code that it generates for new
    shapes stays in any case, a few hundred megabytes until all shapes have been met; fp32 products by MKL
    (training.fp32_matmul=default) keep nothing. It reads this when it is first used.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, with the status that shells know it by; in the main thread alone."""

    def end(number: int, frame: object) -> None:
        say("SIGTERM")
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _windows(rows: Iterator[Checked], size: int) -> Iterator[list[Checked]]:
    while window := list(islice(rows, size)):
        yield window


def _check_form(window: Sequence[Checked], given: Input) -> None:
    """Take rows that are all of the wrong form for a wrong file.

    Raises:
        UserError: They are.
    """
    problems = [read for _, read in window if isinstance(read, BadRow) and read.of_file]
    if problems and len(problems) == len(window):
        row = window[0][0]
        raise UserError(
            f"no row of the first {plural(len(window), 'row')} can be read: {problems[0].reason}",
            where=f"{given.name}, {row.place}",
            found="the columns " + ", ".join(row.columns) if row.columns else None,
            fix="--column text=... names another column; --format, --encoding and --delimiter another form",
        )


def _introduced(origin: ModelLocation, recipe: Recipe, *, scores: bool) -> Predictor:
    predictor = load_predictor(origin, recipe, scores=scores)
    say(f"{origin.model}: {predictor.description}")
    return predictor


def _size(given: Input) -> int | None:
    return given.path.stat().st_size if given.path is not None and given.path.is_file() else None
