"""Spans of characters that masks read, in all forms in which data sets hold them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import Field, load_data
from finetune.data.numbered_spans import SpanError, check_within, read_spans, spans_column, spans_outside, write_spans
from finetune.data.rows import Rows
from finetune.errors import UserError
from finetune.recipe import Data

FIELD = Field("mask_entity", "spans", "entity", text="text", hint="add it")
FIELDS = (Field("text", "text", "text"), FIELD)
SPANS = [(0, 4, 7), (9, 13, 0)]


@pytest.mark.parametrize(
    "given",
    [
        [[9, 13, 0], [0, 4, 7]],
        ((0, 4, 7), (9, 13, 0)),
        [{"start": 0, "end": 4, "value": 7}, {"start": 9, "end": 13, "label": 0, "value": None}],
        [{"start": 0, "end": 4, "label": 7, "text": "Anna"}, [9, 13, 0]],
        "[[0, 4, 7], [9, 13, 0]]",
        ' [{"start": 0, "end": 4, "value": 7}, {"start": 9, "end": 13, "value": 0}] ',
        np.array([[0, 4, 7], [9, 13, 0]]),
        np.array([np.array([0, 4, 7]), np.array([9, 13, 0])]),
    ],
)
def test_every_form_gives_the_spans_in_their_order(given: Any) -> None:
    assert read_spans(given) == SPANS


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**63 - 1)), max_size=6))
def test_what_is_written_reads_back(pieces: list[tuple[int, int, int]]) -> None:
    spans, at = [], 0
    for length, gap, value in pieces:
        spans.append((at + gap, at + gap + length, value))
        at += gap + length
    assert read_spans(write_spans(spans)) == spans
    check_within(spans, "x" * at)
    if spans:
        with pytest.raises(SpanError, match=f"a span up to {at} in a text of {at - 1} character"):
            check_within(spans, "x" * (at - 1))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (3, r"no list of spans, each \[start, end, number\] in characters of the text: 3"),
        ("Anna", "no list of spans.*: 'Anna'"),
        ("[[0, 4, 7]", "no list of spans"),
        ("[" * 100_000, "no list of spans"),
        ({"start": 0, "end": 4, "value": 7}, "no list of spans"),
        (float("nan"), "no list of spans.*: nan"),
        ([0, 4, 7], r"a span that is not \[start, end, number\] in whole numbers: 0"),
        ([[0, 4]], r"a span that is not \[start, end, number\] in whole numbers: \[0, 4\]"),
        ([[0, 4, "PER"]], r"a span that is not .* in whole numbers: \[0, 4, 'PER'\]"),
        ([[0, 4, True]], "a span that is not .* in whole numbers"),
        ([[0, 4, 1.0]], "a span that is not .* in whole numbers"),
        ([{"start": 0, "end": 4}], "a span that is not .* in whole numbers"),
        ([[4, 4, 1]], "a span without text, from 4 to 4"),
        ([[-1, 4, 1]], "a span without text, from -1 to 4"),
        ([[0, 4, -1]], "a span with the number -1: numbers are 0 or more, -1 stands for tokens outside of spans"),
        ([[0, 4, 2**63]], "a span with a number of more than 64 bits"),
        ([[0, 10**5000, 1]], "a span with a number of more than 64 bits"),
        ([[0, 4, 7], [3, 5, 8]], "spans that overlap: 8 begins at 3, and 7 ends at 4"),
        ([[0, 4, 7], [0, 4, 7]], "spans that overlap: 7 begins at 0, and 7 ends at 4"),
    ],
)
def test_what_are_no_spans(given: Any, problem: str) -> None:
    with pytest.raises(SpanError, match=problem):
        read_spans(given)


def test_a_column_names_its_wrong_rows() -> None:
    entities = [[[0, 4, 7]], [], 3, None, " ", [[0, 1, "x"]]]
    rows = Rows("my.jsonl", {"entity": entities}, unit="line", numbers=range(1, 7))
    with pytest.raises(UserError, match="2 rows without spans that can be read in column 'entity'") as caught:
        spans_column(rows, FIELD)
    assert caught.value.where == "my.jsonl, lines 3, 6"
    assert caught.value.found is not None
    assert caught.value.found.endswith("in characters of the text: 3")
    assert caught.value.fix == "correct the spans; a text without spans has the empty list, []"
    good = spans_column(Rows("my.jsonl", {"entity": [[[0, 4, 7]], [], None, " "]}), FIELD)
    assert good.to_pylist() == ["[[0, 4, 7]]", "[]", None, None]


def test_spans_behind_the_text_name_their_rows() -> None:
    rows = Rows("my.jsonl", {"entity": [[[0, 4, 7]], [[0, 4, 7]]]})
    spans = spans_column(rows, FIELD)
    error = spans_outside(rows, FIELD, spans, pa.chunked_array([["Anna", "Ann"]]))
    assert error is not None
    assert str(error).startswith("1 row with spans outside of the text in column 'entity'")
    assert (error.where, error.found) == (
        "my.jsonl, row 1 (counted from 0)",
        "a span up to 4 in a text of 3 characters",
    )
    assert spans_outside(rows, FIELD, spans, pa.chunked_array([["Anna", "Anne"]])) is None


def write(folder: Path, kind: str, entities: list[Any], text: str = "Anna met Anna") -> Data:
    """Write rows with spans into a file, and return the section that reads it."""
    path = folder / f"train.{kind}"
    rows = [{"text": f"{text} {number}", "entity": one} for number, one in enumerate(entities)]
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        cells = ['"' + json.dumps(row["entity"]).replace('"', '""') + '"' for row in rows]
        lines = [f"{row['text']},{cell}" for row, cell in zip(rows, cells, strict=True)]
        path.write_text("\n".join(["text,entity", *lines]))
    return Data(path=str(path), dev_share=0.25, test_share=0.25)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("form", [list, lambda span: dict(zip(("start", "end", "value"), span, strict=True))])
@pytest.mark.parametrize("streaming", [False, True])
def test_files_of_every_format_hold_spans(kind: str, form: Any, streaming: bool, tmp_path: Path) -> None:
    entities = [[form(span) for span in SPANS] if number % 3 else [] for number in range(12)]
    data = write(tmp_path, kind, entities).model_copy(update={"streaming": streaming})
    loaded = load_data(data, FIELDS)
    found = {
        text: read_spans(spans)
        for split in (loaded.train, loaded.dev, loaded.test)
        for text, spans in zip(split["text"], split["mask_entity"], strict=True)
    }
    assert found == {f"Anna met Anna {number}": SPANS if number % 3 else [] for number in range(12)}


def test_mistakes_in_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    data = write(tmp_path, "jsonl", [[[0, 4, 7]]] * 9 + [None])
    with pytest.raises(UserError, match="1 row without spans in column 'entity'") as caught:
        load_data(data, FIELDS)
    assert "a text without spans has []" in str(caught.value)
    skipped = load_data(data.model_copy(update={"on_empty": "skip"}), FIELDS)
    assert len(skipped.train) + len(skipped.dev) + len(skipped.test) == 9
    data = write(tmp_path, "jsonl", [[[0, 99, 7]]] * 9)
    with pytest.raises(UserError, match="9 rows with spans outside of the text in column 'entity'") as caught:
        load_data(data, FIELDS)
    assert "a span up to 99 in a text of 15 characters" in str(caught.value)
