"""From a recipe's data section to three checked splits."""

import csv
import json
from pathlib import Path

import pytest
from datasets import Value

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "review"), Field("label", "label", "stars"))
WORDS = (Field("tokens", "words", "words"), Field("labels", "word_labels", "tags"))


def write(folder: Path, name: str, labels: list[str]) -> Path:
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["stars", "extra", "review"])
        rows.writerows([label, "", f"{name} {number}"] for number, label in enumerate(labels))
    return path


def read(folder: Path, **options: object) -> LoadedData:
    return load_data(Data.model_validate({"path": str(folder), **options}), FIELDS)


def test_splits_hold_ids_and_the_fields_columns_alone(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        write(tmp_path, name, ["1", "2"])
    loaded = read(tmp_path)
    assert loaded.dev.to_list() == [
        {"id": 0, "text": "dev 0", "label": "1"},
        {"id": 1, "text": "dev 1", "label": "2"},
    ]
    assert loaded.train.features == {"id": Value("int64"), "text": Value("string"), "label": Value("string")}
    assert loaded.notes == ()


def test_missing_splits_are_cut_from_train_and_ids_are_those_of_train(tmp_path: Path) -> None:
    path = write(tmp_path, "all", ["1", "2"] * 50)
    loaded = read(path)
    splits = [loaded.train, loaded.dev, loaded.test]
    assert [len(split) for split in splits] == [80, 10, 10]
    assert sorted(id_ for split in splits for id_ in split["id"]) == list(range(100))
    assert all(row["text"] == f"all {row['id']}" for split in splits for row in split)
    assert [note[:12] for note in loaded.notes] == ["no dev split", "no test spli"]


def test_only_the_missing_split_is_cut(tmp_path: Path) -> None:
    write(tmp_path, "train", ["1", "2"] * 10)
    write(tmp_path, "test", ["1"])
    loaded = read(tmp_path, dev_share=0.25)
    assert (len(loaded.train), len(loaded.dev), loaded.test["text"][:]) == (15, 5, ["test 0"])


def test_max_examples_keep_the_first_and_say_so(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        write(tmp_path, name, ["1", "2", "1"])
    loaded = read(tmp_path, max_train_examples=2, max_dev_examples=100)
    assert loaded.train["id"][:] == [0, 1]
    assert len(loaded.dev) == 3
    assert loaded.notes == ("train: the first 2 of 3 examples (data.max_train_examples)",)


def test_labels_are_sorted_numerically_where_all_are_integers(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a", ["10", "9", "-1"] * 10)).labels == {"label": ("-1", "9", "10")}
    assert read(write(tmp_path, "a", ["10", "9", "x"] * 10)).labels == {"label": ("10", "9", "x")}


def test_labels_keep_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    loaded = read(write(tmp_path, "a", ["a", "b"] * 10), labels=["b", "c", "a"])
    assert loaded.labels == {"label": ("b", "c", "a")}


def test_label_that_train_lacks(tmp_path: Path) -> None:
    write(tmp_path, "train", ["good", "bad"])
    write(tmp_path, "dev", ["good", "goood", "bad", "goood"])
    write(tmp_path, "test", ["bad"])
    with pytest.raises(UserError, match="not in the train split: goood") as caught:
        read(tmp_path)
    message = str(caught.value)
    assert "dev.csv, lines 3, 5" in message
    assert "bad, good" in message
    assert "'good' for 'goood'?" in message


def test_label_that_the_given_labels_lack(tmp_path: Path) -> None:
    path = write(tmp_path, "a", ["good", "bad", "bda"] * 5)
    with pytest.raises(UserError, match=r"not in data\.labels: bda") as caught:
        read(path, labels=["bad", "good"])
    assert "a.csv, lines 4, 7, 10, 13, 16" in str(caught.value)


def test_given_label_without_an_example_in_train_is_noted(tmp_path: Path) -> None:
    write(tmp_path, "train", ["good"])
    write(tmp_path, "dev", ["good", "bad"])
    write(tmp_path, "test", ["good"])
    loaded = read(tmp_path, labels=["bad", "good"])
    assert loaded.notes == ("1 label in dev without an example in train: bad",)


def test_rare_label_that_a_cut_takes_from_train_is_noted(tmp_path: Path) -> None:
    labels = [str(number) for number in range(20)]
    loaded = read(write(tmp_path, "a", labels))
    assert loaded.labels["label"] == tuple(labels)
    assert sum("without an example in train" in note for note in loaded.notes) == 2


def test_word_labels_come_from_all_splits(tmp_path: Path) -> None:
    for name, label in (("train", "O"), ("dev", "B-X"), ("test", "I-X")):
        (tmp_path / f"{name}.conll").write_text(f"word {label}\n")
    loaded = load_data(Data(path=str(tmp_path)), WORDS)
    assert loaded.labels == {"labels": ("B-X", "I-X", "O")}


def test_word_label_that_the_given_labels_lack(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("a O\n\nb O\nc B-PRE\n")
    with pytest.raises(UserError, match=r"not in data\.labels: B-PRE") as caught:
        load_data(Data(path=str(path), labels=("O", "B-PER")), WORDS)
    assert "a.conll, line 3" in str(caught.value), "the line where the sentence begins"


def test_empty_cells_name_lines_and_number_in_every_split(tmp_path: Path) -> None:
    write(tmp_path, "train", ["a", "", " ", "b"])
    write(tmp_path, "dev", ["a"])
    (tmp_path / "test.csv").write_text("stars,review\na,\n")
    with pytest.raises(UserError, match="2 rows without a label in column 'stars'") as caught:
        read(tmp_path)
    message = str(caught.value)
    assert "train.csv, lines 3, 4" in message
    assert "1 row without text in column 'review'" in message
    assert "test.csv, line 2" in message


def test_file_with_a_header_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no examples") as caught:
        read(write(tmp_path, "a", []))
    assert "a.csv" in str(caught.value)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    with pytest.raises(UserError, match="file is empty"):
        read(path)


def test_too_few_rows_to_cut(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 examples are too few"):
        read(write(tmp_path, "a", ["1", "2", "1"]))


def test_path_comes_before_name_and_name_before_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a", ["1", "2"] * 10)
    assert len(read(path, name="owner/none", sample="sentiment").train) == 16
    with pytest.raises(UserError, match="owner/none"):
        load_data(Data(name="owner/none", sample="sentiment"), FIELDS)


def test_numbers_as_places_in_the_labels_and_words_without_a_target_are_noted(tmp_path: Path) -> None:
    rows = [json.dumps({"words": ["a", "b", "c"], "tags": [-100, 0, 1]})] * 20
    (tmp_path / "train.jsonl").write_text("\n".join(rows))
    loaded = load_data(Data(path=str(tmp_path / "train.jsonl"), labels=("O", "B-X")), WORDS)
    assert loaded.train["labels"][0] == ["-100", "O", "B-X"]
    assert loaded.notes[:2] == (
        "numbers in column 'tags' are places in data.labels: 0 is O, 1 is B-X",
        "20 words labelled -100: neither learned nor scored",
    )
