"""Whatever a file holds, and however the recipe says that it is written, reading it gives rows or a UserError."""

import contextlib
import gzip
import json
import tempfile
from collections.abc import Callable
from encodings.aliases import aliases
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from finetune.data import Field, assemble, read_sources
from finetune.data.first_rows import check_first_rows
from finetune.errors import UserError
from finetune.recipe import Data
from tests.damage import damaged

TEXTS = (Field("source", "text", "en"), Field("target", "text", "de"))
CLASSES = (Field("text", "text", "en"), Field("label", "label", "de", is_open=True))
WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))
FIELDS = {"texts": TEXTS, "classes": CLASSES, "words": WORDS}

ROWS = [{"en": f"a house {number}", "de": f"ein Haus, groß {number}"} for number in range(4)]
CONLL = b"EU B-ORG\nrejects O\n\nPeter B-PER\nBlackburn I-PER\n\n"
TMX = """<?xml version="1.0"?><tmx version="1.4"><header/><body><tu><tuv xml:lang="en"><seg>a house</seg></tuv>
<tuv xml:lang="de"><seg>ein Haus</seg></tuv></tu></body></tmx>"""
XLIFF = """<?xml version="1.0"?><xliff version="1.2"><file source-language="en" target-language="de"><body>
<trans-unit id="1"><source>a house</source><target>ein Haus</target></trans-unit></body></file></xliff>"""


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return bytes(sink.getvalue())


def cells(sign: str) -> bytes:
    return "".join(f'{row["en"]}{sign}"{row["de"]}"\n' for row in [{"en": "en", "de": "de"}, *ROWS]).encode()


CONTENTS = {
    "csv": cells(","),
    "tsv": cells("\t"),
    "json": json.dumps(ROWS).encode(),
    "jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "parquet": parquet(),
    "conll": CONLL,
    "tmx": TMX.encode(),
    "xliff": XLIFF.encode(),
    "csv.gz": gzip.compress(cells(",")),
}
MORE_ENCODINGS = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7")
ENCODINGS = sorted({*aliases.values(), *MORE_ENCODINGS})
NAMES = st.sampled_from(["en", "de", "tokens", "labels", ""])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "encoding": st.sampled_from(ENCODINGS) | st.text(max_size=5),
        "delimiter": st.sampled_from([",", ";", "\t", "\\t", " ", '"', "\n", "\r", "\0", "ab", ""]) | st.characters(),
        "column_names": st.lists(NAMES | st.text(max_size=3), max_size=3),
        "format": st.sampled_from(["csv", "tsv", "json", "jsonl", "parquet", "conll", "parallel", "tmx", "xliff"]),
        "on_empty": st.sampled_from(["refuse", "skip"]),
        "streaming": st.booleans(),
    },
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def try_out(options: dict[str, Any], read: Callable[[Data], object]) -> None:
    """Read data in some way; nothing but a UserError may come of it."""
    try:
        data = Data.model_validate(options)
    except ValueError:  # what a recipe may hold is tested elsewhere
        return
    with contextlib.suppress(UserError):
        read(data)


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("form", CONTENTS)
@MANY
@given(drawn=st.data())
def test_a_damaged_file(form: str, fields: str, drawn: st.DataObject, monkeypatch: pytest.MonkeyPatch) -> None:
    content = drawn.draw(st.just(CONTENTS[form]) | damaged(CONTENTS[form]))
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("FINETUNE_CACHE", f"{folder}/cache")
        path = Path(folder) / f"train.{form}"
        path.write_bytes(content)
        options = {"path": str(path), **drawn.draw(OPTIONS)}
        try_out(options, lambda data: check_first_rows(data, FIELDS[fields]))
        try_out(options, lambda data: assemble(read_sources(data, FIELDS[fields]), data))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "json", "conll", "tmx"])
def test_every_encoding_of_python(form: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / f"train.{form}"
    path.write_bytes(CONTENTS[form])
    fields = WORDS if form == "conll" else TEXTS
    try_out({"path": str(path), "encoding": encoding}, lambda data: read_sources(data, fields))


SPECIAL = st.sampled_from(["..", "/", "~", "~nobody"])
PATHS = st.text(max_size=20) | st.text(max_size=3).map(lambda text: text * 2000) | SPECIAL


@MANY
@given(path=PATHS, more=st.dictionaries(st.sampled_from(["dev_path", "test_path"]), PATHS))
@example(path="a" * 5000, more={})
@example(path="a\0b", more={})
@example(path="~nobody/a.csv", more={})
@example(path="{a,b", more={})
@example(path="[a.csv", more={})
@example(path="**/*/*.csv", more={})
def test_any_path(path: str, more: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try_out({"path": path, **more}, lambda data: check_first_rows(data, TEXTS))
    try_out({"path": [path, path], **more}, lambda data: read_sources(data, TEXTS))
