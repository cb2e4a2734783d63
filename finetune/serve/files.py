"""`predict_file` predicts the rows of a file, a window of rows at a time."""

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
"""How many rows are held in memory and sorted by length together."""
SHOWN = 20
"""How many bad rows are reported one by one; the output has the reasons of all."""

Checked: TypeAlias = tuple[InputRow, Example | BadRow]
"""A row, and what the task reads of it or why it cannot be read."""


@dataclass(frozen=True)
class Summary:
    """The result of predicting a file.

    Args:
        rows: How many rows the file has.
        bad: How many of them have no prediction.
    """

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
    """Write the rows of a file with their predictions, in the order of the rows.

    Each row of the output has the columns of the input, the prediction, and an error. If a row cannot be read, the
    error says why, and the rows after it are still predicted.

    Args:
        name: The model: the folder of a run, of a run's model or checkpoint, or of any model; or a name on the Hub.
        given: The input.
        wanted: The output.
        kind: The task; needed only if neither a recipe nor the model's class says what the model was trained for.
        overrides: Other values of keys of the model's recipe, such as `data.columns.text`.
        scores: Whether the output has probabilities or other scores beside the predictions.
        window: How many rows are read, predicted and written together. Memory depends on it, predictions do not.

    Raises:
        UserError: The model cannot be loaded, the input cannot be read or the output written, or none of the first
            rows is of the right form.
        SystemExit: The process received SIGTERM; the rows that are finished are kept.
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
    if "data.column_names" in overrides:  # those of the model's own recipe describe the file that it was trained on
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
    """The loop over windows of rows.

    Args:
        predictor: The model.
        write: Writes one row.
        file: The file that `write` writes to.
        rows: The input, whose position says how much of it was read.
        counter: The progress bar.
    """

    def __init__(self, predictor: Predictor, write: Write, file: OutputFile, rows: InputRows, counter: Counter) -> None:
        self.predictor = predictor
        self.write = write
        self.file = file
        self.rows = rows
        self.counter = counter
        self.bad = 0

    def run(self, windows: Iterable[Sequence[Checked]], wanted: Output) -> None:
        """Predict and write all windows; if an error or a signal ends the work, finished windows are kept."""
        try:
            for window in windows:
                self._window(window)
        except BrokenPipeError:  # the program that reads the output has ended, as `head` does
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
        """Print how many rows were predicted, and warn of rows without a prediction."""
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
            say("the reasons of more rows without a prediction are in the output alone")


def _keep_no_products() -> None:
    """Turn off oneDNN's cache of compiled matrix products, unless the user has set its size.

    The cache keeps up to 1,024 products, several for each number of tokens that a batch has had. That takes a gigabyte
    after a hundred thousand rows, while making each product again takes a tenth of a small model's time. The code that
    oneDNN generates for new shapes stays in memory in any case, a few hundred megabytes once all shapes have occurred.
    fp32 products by MKL (training.fp32_matmul=default) keep nothing. oneDNN reads the variable when it is first used.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, with exit status 143; Python allows this in the main thread alone."""

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
    """Raise an error if all rows of the first window are of the wrong form, since the file is wrong then.

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
    """Return the size of the input in bytes; None if it is no file."""
    return given.path.stat().st_size if given.path is not None and given.path.is_file() else None
