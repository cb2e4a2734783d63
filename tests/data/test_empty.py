"""Rows without content: refused, or left out and counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data

PAIR = (Field("source", "text", "en"), Field("target", "text", "de"))
FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))


def read(folder: Path, rows: list[Any], fields: tuple[Field, ...] = FIELDS, **options: Any) -> LoadedData:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_data(Data.model_validate({"path": str(folder / "a.jsonl"), **options}), fields)


ROWS = [{"text": f"t{number}", "label": number % 2} for number in range(20)]
GAPS = [{"text": "", "label": 1}, {"text": " ", "label": 0}, {"text": "x", "label": None}, {"label": 1}]


def test_they_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, ROWS + GAPS[:1])
    assert "data.on_empty=skip leaves them out" in str(caught.value)


@pytest.mark.parametrize("streaming", [False, True])
def test_they_are_left_out_and_counted(tmp_path: Path, streaming: bool) -> None:
    found = read(tmp_path, ROWS[:10] + GAPS + ROWS[10:], on_empty="skip", streaming=streaming)
    assert len(found.train) + len(found.dev) + len(found.test) == 20
    assert any("4 " in note and "left out" in note for note in found.notes)
    assert found.where("train", 19).endswith(", line 24"), "the others keep their lines"


def test_one_side_of_aligned_files_is_left_out_with_the_other(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_text("".join(f"one {number}\n" for number in range(20)))
    lines = ["" if number == 7 else f"eins {number}" for number in range(20)]
    (tmp_path / "train.de").write_text("".join(f"{line}\n" for line in lines))
    found = load_data(Data(path=str(tmp_path / "train"), on_empty="skip"), PAIR)
    assert len(found.train) + len(found.dev) + len(found.test) == 19
    assert all(row["source"][4:] == row["target"][5:] for row in found.train.to_list())
    assert any("1 of 20 rows left out" in note for note in found.notes)


def test_sentences_without_words_are_left_out(tmp_path: Path) -> None:
    rows = [{"tokens": ["a", "b"], "labels": ["O", "O"]}] * 20 + [{"tokens": [], "labels": []}]
    found = read(tmp_path, rows, WORDS, on_empty="skip")
    assert len(found.train) + len(found.dev) + len(found.test) == 20


def test_an_unlabelled_test_split_is_not_empty(tmp_path: Path) -> None:
    for split, label in (("train", "a"), ("dev", "a"), ("test", "")):
        (tmp_path / f"{split}.csv").write_text("text,label\n" + f"x,{label}\n" * 5)
    found = load_data(Data(path=str(tmp_path), on_empty="skip"), FIELDS)
    assert len(found.test) == 5
