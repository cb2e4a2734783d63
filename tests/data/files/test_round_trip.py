"""What was written is what is read, whatever the text holds."""

import csv
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data import Field
from finetune.data.checks import checked_columns
from finetune.data.files import read_files
from finetune.recipe import Data

FIELDS = (Field("source", "text", "a"), Field("target", "text", "b"))
Pairs = list[tuple[str, str]]


def write(path: Path, pairs: Pairs) -> None:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("a", "b"), *pairs])
    elif path.suffix == ".tsv":
        path.write_text("\n".join(f"{a}\t{b}" for a, b in [("a", "b"), *pairs]), encoding="utf-8", newline="\n")
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"a": a, "b": b}) for a, b in pairs), encoding="utf-8")
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}), path)
    else:
        for number, column in enumerate(("a", "b")):
            lines = "".join(f"{pair[number]}\n" for pair in pairs)
            path.with_name(f"{path.name}.{column}").write_text(lines, encoding="utf-8", newline="\n")


def texts(without: str) -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=["Cs"], exclude_characters=without + "\ufeff")
    return st.text(characters, max_size=20).filter(str.strip)


@pytest.mark.parametrize(
    ("name", "without"),
    [("x.csv", "\0"), ("x.tsv", "\t\r\n"), ("x.jsonl", ""), ("x.parquet", ""), ("x", "\r\n")],
    ids=["csv", "tsv", "jsonl", "parquet", "line-aligned"],
)
@settings(max_examples=50, deadline=None)
@given(draw=st.data())
def test_texts_come_back(name: str, without: str, draw: st.DataObject) -> None:
    text = texts(without)
    pairs = draw.draw(st.lists(st.tuples(text, text), min_size=1, max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path, pairs)
        columns = checked_columns(read_files(Data(path=str(path)), FIELDS), FIELDS)["train"]
        assert list(zip(columns["source"].to_pylist(), columns["target"].to_pylist(), strict=True)) == pairs
