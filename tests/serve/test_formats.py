"""Formats of inputs and outputs by the ends of their names."""

from pathlib import Path

import pytest

from finetune.data.files.text import STDIN
from finetune.errors import UserError
from finetune.serve.formats import Input, resolve_format


def test_the_name_says_the_format_unless_it_is_given() -> None:
    assert resolve_format(Path("a.JSONL"), None, "--format") == "jsonl"
    assert resolve_format(Path("a.csv.gz"), None, "--format") == "csv"
    assert resolve_format(Path("a.csv"), "tsv", "--format") == "tsv"


@pytest.mark.parametrize(("path", "where"), [(None, STDIN), (Path("a.docx"), "a.docx"), (Path("a.conll"), "a.conll")])
def test_a_format_that_is_not_known_is_asked_for(path: Path | None, where: str) -> None:
    with pytest.raises(UserError, match="the format is not known") as caught:
        resolve_format(path, None, "--format")
    assert caught.value.where == where
    assert "--format names it: csv, tsv, jsonl, text" in str(caught.value)
    assert ".parquet" in str(caught.value)


def test_inputs_have_names() -> None:
    assert [Input(None).name, Input(Path("a.csv")).name] == [STDIN, "a.csv"]
