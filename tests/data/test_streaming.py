"""Streamed data are the same data, on the disk."""

import csv
import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Value
from datasets import Features as Schema

from finetune import checksums
from finetune.data import Field, LoadedData, batched, features, load_data, streaming
from finetune.data.features import Column, Features
from finetune.errors import UserError
from finetune.recipe import Data
from tests.test_checksums import DAMAGES

FIELDS = (Field("text", "text", "review"), Field("label", "label", "stars"))
PAIRS = (Field("source", "text", "en"), Field("target", "text", "de"))
ROWS = [{"review": f"text {number}", "stars": "ab"[number % 2], "author": number // 3} for number in range(47)]


@pytest.fixture(autouse=True)
def _small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched.batched, "__defaults__", (10,))
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))


def write(folder: Path, kind: str) -> Path:
    path = folder / f"mine.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif kind == "parquet":
        schema = Schema({"review": Value("string"), "stars": ClassLabel(names=["a", "b"]), "author": Value("int64")})
        Dataset.from_list(ROWS, schema).to_parquet(path)
    else:
        with path.open("w", newline="") as file:
            rows = csv.writer(file, delimiter="," if kind == "csv" else "\t")
            rows.writerows([list(ROWS[0]), *(row.values() for row in ROWS)])
    return path


def both(fields: tuple[Field, ...] = FIELDS, **options: object) -> tuple[LoadedData, LoadedData]:
    whole, streamed = (load_data(Data.model_validate({**options, "streaming": on}), fields) for on in (False, True))
    return whole, streamed


def assert_same(whole: LoadedData, streamed: LoadedData) -> None:
    for split in ("train", "dev", "test"):
        assert getattr(streamed, split).to_list() == getattr(whole, split).to_list()
    assert (streamed.labels, streamed.notes) == (whole.labels, whole.notes)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    "options", [{}, {"filter": "author > 3 and stars == 'a'"}, {"group_column": "author"}], ids=str
)
def test_streamed_files_are_the_same_data(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    assert_same(*both(path=str(write(tmp_path, kind)), **options))


def test_several_files_and_mixed_sources(tmp_path: Path) -> None:
    paths = [str(write(tmp_path, kind)) for kind in ("csv", "jsonl")]
    whole, streamed = both(path=paths)
    assert_same(whole, streamed)
    for on in (True, False):
        source = {"path": paths[0], "streaming": on, "weight": 1}
        mixed = load_data(Data.model_validate({"sources": [source, source]}), FIELDS)
        assert len(mixed.train) == 2 * (47 - 5 - 5)


def test_line_aligned_files(tmp_path: Path) -> None:
    for language in ("en", "de"):
        (tmp_path / f"train.{language}").write_text("".join(f"{language} {number}\n" for number in range(40)))
    assert_same(*both(PAIRS, path=str(tmp_path / "train")))
    (tmp_path / "train.de").write_text("de\n" * 39)
    with pytest.raises(UserError, match="unequal length"):
        load_data(Data(path=str(tmp_path / "train"), streaming=True), PAIRS)


def test_functions(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        f"def load(split):\n    if split != 'dev':\n        yield from {ROWS}\n    else:\n        yield {ROWS[0]}"
    )
    assert_same(*both(function=f"{path}:load"))


def test_rows_of_a_killed_run_s_function_do_not_stay(tmp_path: Path) -> None:
    path, host = tmp_path / "mine.py", platform.node()
    path.write_text(f"def load(split):\n    yield from {ROWS}")
    cache = tmp_path / "cache"
    killed, alive = (cache / f".rows-of-function-{host}-{process}-abc" for process in (2**22 + 1, os.getpid()))
    for folder in (killed, alive):
        (folder / "train").mkdir(parents=True)
    load_data(Data(function=f"{path}:load", streaming=True), FIELDS)
    assert not killed.exists()
    assert alive.exists()


def test_mistakes_have_their_lines_in_every_piece(tmp_path: Path) -> None:
    lines = [f"text {number},a" for number in range(40)]
    lines[3], lines[25], lines[33] = ",a", ",a", "one,cell,more"
    (tmp_path / "a.csv").write_text("\n".join(["review,stars", *lines]))
    with pytest.raises(UserError) as caught:
        load_data(Data(path=str(tmp_path / "a.csv"), streaming=True), FIELDS)
    for sign in ("without text", "line 5", "line 27", "another number of cells"):
        assert sign in str(caught.value)
    assert list((tmp_path / "cache" / "rows").iterdir()) == [], "nothing unfinished is left"


def test_lines_are_known_afterwards(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("review,stars\n" + "a,b\n" * 20)
    (tmp_path / "dev.csv").write_text("review,stars\n" + "a,b\n" * 14 + "a,c\n")
    (tmp_path / "test.csv").write_text("review,stars\na,b\n")
    with pytest.raises(UserError, match="not in the train split: c") as caught:
        load_data(Data(path=str(tmp_path), streaming=True), FIELDS)
    assert "dev.csv, line 16" in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_files_without_rows(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{kind}"
    if kind == "parquet":
        schema = Schema({"review": Value("string"), "stars": Value("string")})
        Dataset.from_dict({"review": [], "stars": []}, schema).to_parquet(path)
    else:
        path.write_text("review,stars\n" if kind == "csv" else "\n")
    with pytest.raises(UserError, match="there are no examples"):
        load_data(Data(path=str(path), streaming=True), FIELDS)


def test_a_format_that_is_read_as_a_whole_and_a_filter_that_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(UserError, match="format json cannot be streamed"):
        load_data(Data(path=str(tmp_path / "a.json"), streaming=True), FIELDS)
    with pytest.raises(UserError, match="keeps none of 47 rows"):
        load_data(Data(path=str(write(tmp_path, "csv")), streaming=True, filter="author > 99"), FIELDS)


def test_rows_are_written_once_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    write_rows = streaming._write_rows

    def count(path: Path, *rest: object) -> object:
        written.append(path)
        return write_rows(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(streaming, "_write_rows", count)
    data = {"path": str(write(tmp_path, "csv")), "streaming": True}
    keep = tmp_path / "keep.py"
    keep.write_text("def keep(author): return author != '1'")

    def read(**more: str) -> LoadedData:
        return load_data(Data.model_validate(data | more), FIELDS)

    for number, more in enumerate([{}, {"filter": "author != 1"}, {"filter": f"{keep}:keep"}], start=1):
        read(**more)
        read(**more)
        assert len(written) == number
    keep.write_text("def keep(author): return author != '2'")
    read(filter=f"{keep}:keep")
    assert len(written) == 4
    (tmp_path / "mine.csv").write_text("review,stars,author\n" + "a,b,1\n" * 20)
    assert len(read().train) == 16
    assert len(written) == 5


def test_rows_stay_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched.batched, "__defaults__", (100,))
    text = "x" * 10_000

    def rows() -> Iterator[str]:
        yield from (json.dumps({"review": f"{number} {text}", "stars": "a"}) + "\n" for number in range(3000))

    with (tmp_path / "a.jsonl").open("w") as file:
        file.writelines(rows())
    before = pa.total_allocated_bytes()
    loaded = load_data(Data(path=str(tmp_path / "a.jsonl"), streaming=True), FIELDS)
    assert pa.total_allocated_bytes() - before < 3000 * len(text) / 10
    assert loaded.train[5]["text"].endswith(text)


def test_large_features_are_mapped_and_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"input_ids": [list(range(number % 7)) for number in range(100)], "length": list(range(100))}
    Dataset.from_dict(rows).save_to_disk(tmp_path / "encoded")
    encoded = Dataset.load_from_disk(str(tmp_path / "encoded"))
    held = Features.of(encoded)
    monkeypatch.setattr(features, "_LARGE", 100)
    for _ in range(2):  # written, then found
        mapped = Features.of(encoded)
        assert not mapped.columns["input_ids"].values.flags.owndata
        chosen = np.array([5, 99, 0, 7])
        for name in rows:
            assert np.array_equal(mapped.take(chosen).columns[name].values, held.take(chosen).columns[name].values)
    assert (tmp_path / "encoded" / "input_ids.values").is_file()


@pytest.mark.parametrize("name", ["rows.arrow", "about.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_rows_are_read_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], name: str
) -> None:
    path = write(tmp_path, "csv")
    _, streamed = both(path=str(path))
    expected = streamed.train.to_list()
    (entry,) = (tmp_path / "cache" / "rows").iterdir()
    damage(entry / name)
    _, streamed = both(path=str(path))
    assert streamed.train.to_list() == expected
    assert "is damaged" in caplog.text


@pytest.mark.parametrize("name", ["rows.arrow", "about.json", "checksums.json"])
def test_rows_that_may_not_be_read_are_told_and_left(tmp_path: Path, name: str) -> None:
    data = Data(path=str(write(tmp_path, "csv")), streaming=True)
    load_data(data, FIELDS)
    (entry,) = (tmp_path / "cache" / "rows").iterdir()
    (entry / name).unlink()
    (entry / name).symlink_to(entry / name)  # a link to itself, which nobody can read, not even root
    with pytest.raises(UserError, match="the cache cannot be used") as caught:
        load_data(data, FIELDS)
    assert caught.value.where == str(entry / name)
    assert "delete it, and it is made anew" in str(caught.value.fix)
    assert (entry / name).is_symlink()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"parts": [], "notes": [], "class_names": {}}'])
@pytest.mark.parametrize("name", ["rows.arrow", "about.json"])
def test_rows_of_another_form_are_read_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes
) -> None:
    data = Data(path=str(write(tmp_path, "csv")), streaming=True)
    expected = load_data(data, FIELDS).train.to_list()
    (entry,) = (tmp_path / "cache" / "rows").iterdir()
    (entry / name).write_bytes(content)
    checksums.seal(entry, entry / "checksums.json")
    assert load_data(data, FIELDS).train.to_list() == expected
    assert f"the cached folder {entry} cannot be read" in caplog.text
    caplog.clear()
    assert load_data(data, FIELDS).train.to_list() == expected
    assert caplog.text == ""


@pytest.mark.parametrize("taken", ["cache", "cache/rows"])
def test_a_file_in_the_place_of_the_cache_is_told(tmp_path: Path, taken: str) -> None:
    path = write(tmp_path, "csv")
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    with pytest.raises(UserError, match="the cache cannot be used") as caught:
        load_data(Data(path=str(path), streaming=True), FIELDS)
    assert str(caught.value.where).startswith(str(tmp_path / taken))
    assert "FINETUNE_CACHE=..." in str(caught.value.fix)
    assert (tmp_path / taken).read_text() == "mine"


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_columns_are_mapped_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(features, "_LARGE", 1)
    stored = pa.chunked_array([pa.array([[1, 2], [3]]), pa.array([[4, 5, 6]])])
    file = tmp_path / "input_ids.values"
    assert Column.of(stored, file).values.tolist() == [1, 2, 3, 4, 5, 6]
    for damaged in (file, tmp_path / "input_ids.values.json"):
        damage(damaged)
        assert Column.of(stored, file).values.tolist() == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input_ids.values", "input_ids.values.json"]
