"""Formats by the ends of file names."""

from pathlib import Path
from typing import get_args

import pytest

from finetune.data import files
from finetune.data.files.formats import FORMATS, format_ending
from finetune.serve.formats import SUFFIXES, Format


@pytest.mark.parametrize(
    ("name", "ending"), [("a.csv", ".csv"), ("a.b.CSV.gz", ".csv"), ("a", ""), ("a.gz", ""), (".csv", "")]
)
def test_the_ending_of_a_packed_file_is_that_of_the_file_in_it(name: str, ending: str) -> None:
    assert format_ending(Path(name)) == ending


def test_every_format_has_a_reader() -> None:
    assert set(FORMATS.values()) <= set(files._READERS)


def test_prediction_reads_files_by_the_same_endings() -> None:
    assert {ending: SUFFIXES[ending] for ending in SUFFIXES if ending in FORMATS} == {
        ending: name for ending, name in FORMATS.items() if name in get_args(Format)
    }
    assert set(SUFFIXES) - set(FORMATS) == {".txt"}
