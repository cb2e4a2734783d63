"""Which format a file is in, by the end of its name."""

from pathlib import Path

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".conll": "conll",
    ".conllu": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bmes": "conll",
    ".tmx": "tmx",
    ".xlf": "xliff",
    ".xliff": "xliff",
}
"""The format of each file name ending that training reads."""


def format_ending(path: Path) -> str:
    """Return the ending of a file's name that tells its format, in lower case, without the `.gz` of a packed file."""
    unpacked = path.with_suffix("") if path.suffix == ".gz" else path
    return unpacked.suffix.lower()
