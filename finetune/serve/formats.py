"""Formats of inputs and outputs, and the input that a user names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from finetune.data.files.formats import FORMATS, format_ending
from finetune.data.files.text import STDIN
from finetune.errors import UserError

Format = Literal["csv", "tsv", "jsonl", "text", "json", "parquet"]
"""Formats of inputs; `json` is a list of objects, or objects one after another."""
OutputFormat = Literal["csv", "tsv", "jsonl", "text"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
SUFFIXES: dict[str, Format] = {
    **{ending: known for ending, name in FORMATS.items() for known in get_args(Format) if known == name},
    ".txt": "text",
}
"""The format of each file name ending that prediction reads."""


@dataclass(frozen=True)
class Input:
    """The file that rows are read from.

    Args:
        path: The file, which may be packed by gzip; None for standard input.
        format: Format of the file; if None, the end of the file's name says it.
        encoding: Any encoding that Python knows; a byte order mark is skipped. If None, the encoding is found out from
            the file, or else it is that of the model's recipe, or utf-8.
        delimiter: One character that separates columns. If None, it is found out from the header, or else it is a comma
            in csv and a tab in tsv.
        column_names: Names of the columns of a csv or tsv file without a header.
    """

    path: Path | None
    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None
    column_names: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Name of the input in messages."""
        return STDIN if self.path is None else str(self.path)


def resolve_format(path: Path | None, given: Format | None, option: str) -> Format:
    """Return the format that is given, or else that of the end of the file's name.

    Args:
        path: The file; None for a standard stream.
        given: The format that the user gives; None to go by the name.
        option: The option that gives the format, for the message.

    Raises:
        UserError: No format is given, and the name ends in none that is known.
    """
    if given is not None:
        return given
    ending = "" if path is None else format_ending(path)
    if ending not in SUFFIXES:
        raise UserError(
            "the format is not known",
            where=STDIN if path is None else str(path),
            expected="a name that ends in " + ", ".join(SUFFIXES) + " (of an input .gz may follow)",
            fix=f"{option} names it: {', '.join(OUTPUT_FORMATS)}",
        )
    return SUFFIXES[ending]
