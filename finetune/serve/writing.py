"""Answers beside the columns of their rows: csv, tsv, JSON lines, or predictions alone as lines of text."""

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

from finetune.errors import UserError
from finetune.serve.column_names import unique_names
from finetune.serve.formats import OUTPUT_FORMATS, Format, OutputFormat, resolve_format
from finetune.serve.predictions import FormattedPrediction, PredictionFormatter, flatten

STDOUT = "standard output"
ERROR = "error"
"""The column that says why a row has no prediction."""

_FIX = "a name that ends in .jsonl, or --output-format jsonl"

Write = Callable[[Mapping[str, Any], FormattedPrediction, str | None], None]
"""Writes a row's columns with its answer, or with the reason why there is none."""


@dataclass(frozen=True)
class Output:
    """Where answers go.

    Args:
        path: The file, which is replaced; None for standard output.
        format: Told by the file's name if None; on standard output the input's.
    """

    path: Path | None
    format: OutputFormat | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return STDOUT if self.path is None else str(self.path)

    @property
    def is_replaced(self) -> bool:
        """Whether it is an ordinary file, to be written aside and renamed, and not a pipe or a device."""
        return self.path is not None and (self.path.is_file() or not self.path.exists())

    @property
    def partial(self) -> Path:
        """Where the file is while it is not finished."""
        assert self.path is not None
        return self.path.with_name(self.path.name + ".partial")

    def resolve_format(self, of_input: Format, *, scores: bool) -> OutputFormat:
        """The format that is asked for, told by the file's name, or else the input's.

        Raises:
            UserError: The name does not tell it, or it cannot hold what is asked for.
        """
        by_name = self.format is not None or self.is_replaced
        told = resolve_format(self.path, self.format, "--output-format") if by_name else of_input
        kind = next((one for one in OUTPUT_FORMATS if one == told), None)
        if by_name and kind is None:
            raise UserError(
                f"answers are not written as {told}", where=self.name, expected=", ".join(OUTPUT_FORMATS), fix=_FIX
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
    """A file to write to, which has its name only when all is written.

    Args:
        wanted: The output.

    Raises:
        UserError: It cannot be written; so for all its methods.
    """

    def __init__(self, wanted: Output) -> None:
        self.wanted = wanted
        self.path = wanted.partial if wanted.is_replaced else wanted.path
        self._flushed = 0
        # Bytes that were no text in the input are written as their escapes.
        options: dict[str, Any] = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
        with self._told():
            self._file = (
                TextIOWrapper(sys.stdout.buffer, **options) if self.path is None else self.path.open("w", **options)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._told():
            if self.path is None:
                self._file.detach()
            else:
                self._file.close()
            if error is None and self.path is not None and self.wanted.path is not None and self.wanted.is_replaced:
                self.path.replace(self.wanted.path)

    def write(self, text: str) -> None:
        """Write a text."""
        with self._told():
            self._file.write(text)

    def flush(self) -> None:
        """Hand to the system what was written so far."""
        with self._told():
            self._file.flush()
            if self.wanted.is_replaced:
                self._flushed = self._file.tell()

    def keep_flushed(self) -> None:
        """Take back what was written since the last flush, where that can be done."""
        with self._told():
            self._file.flush()
            if self.wanted.is_replaced:
                self._file.truncate(self._flushed)

    @contextmanager
    def _told(self) -> Iterator[None]:
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
    """Find out before the work what would stop it at its end.

    Raises:
        UserError: The output is a folder, in none, in one that cannot be written, or is the input.
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
    """What writes rows in a format.

    Args:
        kind: The format.
        file: Where to.
        header: Names of the input's columns, where all rows have the same.
        answers: Tell the columns of answers.
        delimiter: Of csv and tsv; the usual one if None.
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
    """Names of the input's columns; one that an answer needs for itself gets another."""
    return [f"input_{name}" if name in ours else name for name in names]


def _joined(prediction: Any, separator: str) -> str:
    """A prediction in a table: labels one after another."""
    return separator.join(prediction) if isinstance(prediction, list) else _cell(prediction)


def _cell(value: Any) -> str:
    """A value in a table; structures as JSON."""
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
