"""Whatever a file to predict holds, its rows are read or reported, or there is one message."""

import contextlib
import tempfile
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.data import Field
from finetune.errors import UserError
from finetune.serve.formats import Format, Input
from finetune.serve.reading import open_rows
from tests.damage import damaged
from tests.data.files.test_damaged_files import CONTENTS, ENCODINGS

FIELDS = (Field("text", "text", "en"),)
FORMS = ("csv", "tsv", "json", "jsonl", "parquet", "csv.gz")
DELIMITERS = st.none() | st.sampled_from([",", ";", "\t", "\\t", "\n", "\0", "ab", ""]) | st.characters()


def read(given_input: Input) -> None:
    with contextlib.suppress(UserError), open_rows(given_input, FIELDS) as rows:
        for row in rows:
            assert row


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_a_damaged_file(form: str, drawn: st.DataObject) -> None:
    content = drawn.draw(st.just(CONTENTS[form]) | damaged(CONTENTS[form]))
    encoding = drawn.draw(st.none() | st.sampled_from(ENCODINGS) | st.text(max_size=5))
    kind = drawn.draw(st.none() | st.sampled_from(get_args(Format)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input.{form}"
        path.write_bytes(content)
        read(Input(path, kind, encoding, drawn.draw(DELIMITERS)))


@pytest.mark.parametrize("name", ["a" * 5000 + ".csv", "a\0.csv", "", ".", "/", "absent.csv"])
def test_any_path(name: str) -> None:
    read(Input(Path(name), "csv"))
