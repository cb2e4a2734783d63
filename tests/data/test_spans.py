"""Entities as spans of characters."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.data.spans import cut_words
from finetune.errors import UserError
from finetune.recipe import Data
from finetune.serve.examples import InputRow, read_example

FIELDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "ner_tags"))
TEXT = "\U0001f469\u200d\U0001f4bb Cafe\u0301 Anna0 lives in New York."
SPANS = [[TEXT.index("Anna0"), TEXT.index("Anna0") + 5, "PER"], [TEXT.index("New"), TEXT.index("."), "LOC"]]


def read(folder: Path, *rows: dict[str, Any], name: str = "a.jsonl", **options: Any) -> LoadedData:
    lines = [json.dumps(row) for row in rows]
    (folder / name).write_text(f"[{','.join(lines)}]" if name.endswith(".json") else "\n".join(lines))
    path = str(folder / name)
    return load_data(Data.model_validate({"path": path, "dev_path": path, "test_path": path, **options}), FIELDS)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("key", ["label", "entities"])
def test_spans_become_words_and_labels(tmp_path: Path, name: str, key: str) -> None:
    found = read(tmp_path, {"text": TEXT, key: SPANS}, {"text": "None here", key: []}, name=name)
    words = ["\U0001f469\u200d\U0001f4bb", "Cafe\u0301", "Anna0", "lives", "in", "New", "York", "."]
    assert found.train["tokens"][:] == [words, ["None", "here"]]
    assert found.train["labels"][:] == [
        ["O", "O", "B-PER", "O", "O", "B-LOC", "I-LOC", "O"],
        ["O", "O"],
    ]
    assert any("words are cut at spaces, punctuation and the ends of spans" in note for note in found.notes)


def test_spans_may_be_objects(tmp_path: Path) -> None:
    row = {"text": "in Rome", "entities": [{"start": 3, "end": 7, "label": "LOC"}]}
    assert read(tmp_path, row).train["labels"][:] == [["O", "B-LOC"]]


def test_words_are_cut_where_a_span_ends(tmp_path: Path) -> None:
    found = read(tmp_path, {"text": "Romes wall", "label": [[0, 4, "LOC"]]})
    assert (found.train["tokens"][0], found.train["labels"][0]) == (["Rome", "s", "wall"], ["B-LOC", "O", "O"])


def test_neighbours_are_two_entities(tmp_path: Path) -> None:
    found = read(tmp_path, {"text": "Rome Paris", "label": [[5, 10, "LOC"], [0, 5, "LOC"]]})
    assert found.train["labels"][0] == ["B-LOC", "B-LOC"]


@pytest.mark.parametrize(
    ("spans", "problem"),
    [
        ([[0, 99, "LOC"]], "a span of LOC holds no text"),
        ([[4, 5, "LOC"]], "a span of LOC holds no text"),
        ([[0, 4, "LOC"], [2, 10, "PER"]], "two spans overlap, LOC and PER"),
    ],
)
def test_wrong_spans_are_told_with_their_line(tmp_path: Path, spans: Any, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        read(tmp_path, {"text": "Rome Paris", "label": []}, {"text": "Rome Paris", "label": spans})
    assert f"{tmp_path / 'a.jsonl'}, line 2" in str(caught.value)


def test_words_that_are_there_are_read(tmp_path: Path) -> None:
    row = {"text": "x y", "tokens": ["a"], "ner_tags": ["O"], "label": [[0, 1, "LOC"]]}
    assert read(tmp_path, row).train["tokens"][:] == [["a"]]


def test_something_else_than_spans_is_a_missing_column(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no column 'tokens'"):
        read(tmp_path, {"text": "a b", "label": ["x", "y"]})


def test_a_prediction_cuts_a_text_as_training_does() -> None:
    read_words = read_example(InputRow(1, {"text": TEXT}), FIELDS[:1], "utf-8")
    assert read_words == {"tokens": [TEXT[start:end] for start, end in cut_words(TEXT)]}
    assert read_example(InputRow(1, {"tokens": "a b."}), FIELDS[:1], "utf-8") == {"tokens": ["a", "b."]}
