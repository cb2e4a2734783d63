"""Write rows with their predictions as csv, tsv or JSON lines, or predictions alone as lines of text."""

import csv
import errno
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from finetune import atomic
from finetune.dotted_keys import flatten
from finetune.errors import UserError
from finetune.serve.column_names import unique_names
from finetune.serve.formats import OUTPUT_FORMATS, Format, OutputFormat, resolve_format
from finetune.serve.predictions import FormattedPrediction, PredictionFormatter

STDOUT = "standard output"
ERROR = "error"
"""The column that says why a row has no prediction."""

_FIX = "a name that ends in .jsonl, or --output-format jsonl"

Write = Callable[[Mapping[str, Any], FormattedPrediction, str | None], None]
"""A function that writes a row's columns, its prediction, and the reason if there is no prediction."""


@dataclass(frozen=True)
class Output:
    """The file that predictions are written to.

    Args:
        path: The file, which is replaced; None for standard output.
        format: Format of the file. If None, the end of the file's name says it; standard output has the input's format.
    """

    path: Path | None
    format: OutputFormat | None = None

    @property
    def name(self) -> str:
        """Name of the output in messages."""
        return STDOUT if self.path is None else str(self.path)

    @property
    def is_replaced(self) -> bool:
        """Whether the output is an ordinary file, which is written under another name first, and no pipe or device."""
        return self.path is not None and (self.path.is_file() or not self.path.exists())

    @property
    def partial(self) -> Path:
        """Path of the file until it is finished."""
        assert self.path is not None
        return self.path.with_name(self.path.name + ".partial")

    def resolve_format(self, of_input: Format, *, scores: bool) -> OutputFormat:
        """Return the format that the user gives, or else that of the file's name, or else that of the input.

        Args:
            of_input: Format of the input.
            scores: Whether the output has scores, which lines of text cannot hold.

        Raises:
            UserError: The name ends in no known format, or the format cannot hold the columns or the scores.
        """
        by_name = self.format is not None or self.is_replaced
        resolved = resolve_format(self.path, self.format, "--output-format") if by_name else of_input
        kind = next((one for one in OUTPUT_FORMATS if one == resolved), None)
        if by_name and kind is None:
            raise UserError(
                f"answers are not written as {resolved}", where=self.name, expected=", ".join(OUTPUT_FORMATS), fix=_FIX
            )
        if kind is None or (kind == "text" and scores and not by_name):
            return "jsonl"
        if kind == "text" and scores:
            raise UserError("lines of text hold no scores", where="--scores", fix="--output-format jsonl")
        if kind in ("csv", "tsv") and of_input in ("json", "jsonl"):
            raise UserError(
                "a table has the same columns in each row, objects of JSON need not",
                where=self.name,
                fix="--output-format jsonl, or text for the predictions alone",
            )
        return kind


class OutputFile:
    """A file that gets its name only when everything is written.

    Args:
        wanted: The output.

    Raises:
        UserError: The file cannot be written; all methods raise it, too.
    """

    def __init__(self, wanted: Output) -> None:
        self.wanted = wanted
        self.path = wanted.partial if wanted.is_replaced else wanted.path
        self._flushed = 0
        # Bytes that were no text in the input are written as their escapes.
        options: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
        with self._translated_errors():
            self._file = (
                TextIOWrapper(sys.stdout.buffer, **options) if self.path is None else self.path.open("w", **options)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._translated_errors():
            if self.path is None:
                self._file.detach()
            else:
                self._file.close()
            if error is None and self.path is not None and self.wanted.path is not None and self.wanted.is_replaced:
                atomic.move_into_place(self.path, self.wanted.path)

    def write(self, text: str) -> None:
        """Write a text."""
        with self._translated_errors():
            self._file.write(text)

    def flush(self) -> None:
        """Flush what was written so far to the operating system."""
        with self._translated_errors():
            self._file.flush()
            if self.wanted.is_replaced:
                self._flushed = self._file.tell()

    def keep_flushed(self) -> None:
        """Remove what was written since the last flush, if the output is an ordinary file."""
        with self._translated_errors():
            self._file.flush()
            if self.wanted.is_replaced:
                self._file.truncate(self._flushed)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            kept = f"; what is finished is in {self.path}" if full and self.wanted.is_replaced else ""
            raise UserError(
                f"{self.wanted.name} cannot be written",
                found=error.strerror,
                where="--output",
                fix=("make room" if full else "name a file in a folder of yours") + kept,
            ) from error


def check_output(wanted: Output, given: Path | None) -> None:
    """Raise an error before any prediction if the output could not be written after the last one.

    Args:
        wanted: The output.
        given: Path of the input; None for standard input.

    Raises:
        UserError: The output is a folder, its folder does not exist or cannot be written, or it is the input.
    """
    if wanted.path is None:
        return
    folder = wanted.path.parent
    if wanted.path.is_dir():
        raise UserError(f"the output {wanted.path} is a folder", where="--output", expected="a file")
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", where="--output", fix=f"mkdir -p {folder}")
    if wanted.is_replaced and not os.access(folder, os.W_OK):
        raise UserError(f"the folder {folder} cannot be written", where="--output", fix="name a folder of yours")
    if given is not None and given.exists() and wanted.path.exists() and given.samefile(wanted.path):
        raise UserError("the output is the input", where=f"--output {wanted.path}", fix="name another file")


def writer(
    kind: OutputFormat,
    file: OutputFile,
    header: Sequence[str] | None,
    answers: PredictionFormatter,
    delimiter: str | None,
) -> Write:
    """Return a function that writes rows in a format; a table's header is written at once.

    Args:
        kind: The format.
        file: The file that rows are written to.
        header: Names of the input's columns if all rows have the same; csv and tsv need them.
        answers: The formatter of the predictions, which has the names of their columns.
        delimiter: The character between the cells of csv and tsv; a comma or a tab if None.
    """
    if kind == "text":
        separator = answers.separator
        return lambda columns, answer, error: _print(file, _one_line(_joined(answer["prediction"], separator)))
    if kind == "jsonl":
        return lambda columns, answer, error: _print(file, _json_line(columns, answer, error))
    names = (*answers.flat_names, ERROR)
    assert header is not None
    write_cells = _write_csv(file, delimiter or ",") if kind == "csv" else _write_tsv(file, delimiter or "\t")
    write_cells(unique_names((*_kept(header, names), *names)))

    def write(columns: Mapping[str, Any], answer: FormattedPrediction, error: str | None) -> None:
        given = {**flatten(answer), "prediction": _joined(answer["prediction"], answers.separator), ERROR: error}
        write_cells([*(_cell(columns.get(name)) for name in header), *(_cell(given.get(name)) for name in names)])

    return write


def _json_line(columns: Mapping[str, Any], answer: FormattedPrediction, error: str | None) -> str:
    given = {**answer, **({} if error is None else {ERROR: error})}
    kept = zip(_kept(tuple(columns), (*answer, ERROR)), columns.values(), strict=True)
    return json.dumps({**dict(kept), **given}, ensure_ascii=False, default=str)


def _kept(names: Sequence[str], ours: Sequence[str]) -> list[str]:
    """Return the names of the input's columns; one that is also a name of the prediction's columns gets a prefix."""
    return [f"input_{name}" if name in ours else name for name in names]


def _joined(prediction: Any, separator: str) -> str:
    """Return a prediction as a cell of a table: a list of labels is joined by the separator."""
    return separator.join(prediction) if isinstance(prediction, list) else _cell(prediction)


def _cell(value: Any) -> str:
    """Return a value as a cell of a table; lists and mappings are written as JSON."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _print(file: OutputFile, line: str) -> None:
    file.write(line + "\n")


def _write_csv(file: OutputFile, delimiter: str) -> Callable[[Sequence[str]], object]:
    return csv.writer(file, delimiter=delimiter, lineterminator="\n").writerow


def _write_tsv(file: OutputFile, delimiter: str) -> Callable[[Sequence[str]], object]:
    return lambda cells: _print(file, delimiter.join(_one_line(cell).replace(delimiter, " ") for cell in cells))
