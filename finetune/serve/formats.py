"""Formats of files, and how an input is named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from finetune.data.files.formats import FORMATS, format_ending
from finetune.data.files.text import STDIN
from finetune.errors import UserError

Format = Literal["csv", "tsv", "jsonl", "text", "json", "parquet"]
"""json is a list of objects, or objects one after another."""
OutputFormat = Literal["csv", "tsv", "jsonl", "text"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
SUFFIXES: dict[str, Format] = {
    **{ending: known for ending, name in FORMATS.items() for known in get_args(Format) if known == name},
    ".txt": "text",
}
"""The format of each file name ending that prediction reads."""


@dataclass(frozen=True)
class Input:
    """Where rows come from.

    Args:
        path: The file, which may be packed by gzip; None for standard input.
        format: Told by the file's name if None.
        encoding: Any that Python knows; a byte order mark is skipped. Where None, what the file shows, or else what the
            model's recipe says, or utf-8.
        delimiter: One character that separates columns; where None, what the header shows, or else comma or tab.
        column_names: The columns of a csv or tsv file without a header.
    """

    path: Path | None
    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None
    column_names: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return STDIN if self.path is None else str(self.path)


def resolve_format(path: Path | None, given: Format | None, option: str) -> Format:
    """The format that is given, or else told by the file's name.

    Raises:
        UserError: The name does not tell it.
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
