"""Data in memory, kept as parquet files: the same rows whatever object holds them."""

import re
from pathlib import Path
from typing import Any

import datasets
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data import Field, load_data
from finetune.errors import UserError
from finetune.library.in_memory import keep_data, tables_of
from finetune.recipe import Data

ROWS = [{"text": f"text {number}", "label": "ab"[number % 2], "words": ["a", "b"]} for number in range(20)]


class OfArrow:
    """A table of a library that speaks Arrow, as polars does."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def forms() -> dict[str, Any]:
    """The same rows in every form of a table."""
    frame = pandas.DataFrame(ROWS)
    shuffled = datasets.Dataset.from_list(ROWS[::-1]).select(range(19, -1, -1))
    return {
        "rows": ROWS,
        "tuple": tuple(ROWS),
        "frame": frame,
        "indexed": frame.set_index(pandas.Index([f"row {number}" for number in range(20)])),
        "categories": frame.astype({"label": "category"}),
        "sorted back": frame.iloc[::-1].iloc[::-1],
        "dataset": datasets.Dataset.from_list(ROWS),
        "indices": shuffled,
        "formatted": datasets.Dataset.from_list(ROWS).with_format("numpy"),
        "arrow": pa.Table.from_pylist(ROWS),
        "chunks": pa.concat_tables([pa.Table.from_pylist(ROWS[:7]), pa.Table.from_pylist(ROWS[7:])]),
        "speaks arrow": OfArrow(pa.Table.from_pylist(ROWS)),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_gives_the_same_rows(form: str, tmp_path: Path) -> None:
    table = tables_of(forms()[form])["train"]
    assert table.to_pylist() == ROWS
    folder, sizes = keep_data(forms()[form], tmp_path)
    assert sizes == {"train": 20}
    assert pq.read_table(folder / "train.parquet").to_pylist() == ROWS


def test_equal_rows_have_one_folder_and_others_another(tmp_path: Path) -> None:
    first, _ = keep_data(ROWS, tmp_path)
    assert re.fullmatch(r"data-[0-9a-f]{16}", first.name)
    before = (first / "train.parquet").stat().st_mtime_ns
    assert keep_data(pandas.DataFrame(ROWS), tmp_path)[0] == first
    assert (first / "train.parquet").stat().st_mtime_ns == before, "nothing is written twice"
    assert keep_data(ROWS[1:], tmp_path)[0] != first
    assert keep_data({"train": ROWS, "test": ROWS}, tmp_path)[0] != first
    assert len(list(tmp_path.iterdir())) == 3, "nothing else is left"


def test_a_changed_folder_is_not_overwritten(tmp_path: Path) -> None:
    folder, _ = keep_data(ROWS, tmp_path)
    (folder / "train.parquet").write_text("mine")
    with pytest.raises(UserError, match="was changed since it was made"):
        keep_data(ROWS, tmp_path)
    assert (folder / "train.parquet").read_text() == "mine"


@pytest.mark.parametrize(
    "names", [("train", "validation", "test"), ("training", "dev", "test"), ("Train", "val", "TEST")]
)
def test_names_of_splits(names: tuple[str, ...]) -> None:
    data = dict(zip(names, (ROWS, ROWS[:3], ROWS[:2]), strict=True))
    assert {split: len(table) for split, table in tables_of(data).items()} == {"train": 20, "dev": 3, "test": 2}


def test_a_dataset_dict_keeps_the_names_of_its_classes(tmp_path: Path) -> None:
    labels = datasets.ClassLabel(names=["bad", "good"])
    features = datasets.Features({"text": datasets.Value("string"), "label": labels})
    rows = [{"text": f"text {number}", "label": number % 2} for number in range(20)]
    split = datasets.Dataset.from_list(rows, features=features)
    data = datasets.DatasetDict({"train": split, "validation": split, "test": split})
    folder, _ = keep_data(data, tmp_path)
    loaded = load_data(Data(path=str(folder)), (Field("text", "text", "text"), Field("label", "label", "label")))
    assert loaded.labels["label"] == ("bad", "good")
    assert loaded.dev["label"][:2] == ["bad", "good"]


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA])
@pytest.mark.parametrize("make", [list, pandas.DataFrame])
def test_what_pandas_has_for_missing_values_is_missing(missing: Any, make: Any) -> None:
    table = tables_of(make([{"text": "a"}, {"text": missing}]))["train"]
    assert table["text"].to_pylist() == ["a", None]


def test_rows_need_not_have_the_same_keys() -> None:
    table = tables_of([{"text": "a"}, {"text": "b", "label": 1}])["train"]
    assert table.to_pylist() == [{"text": "a", "label": None}, {"text": "b", "label": 1}]


@pytest.mark.parametrize(
    ("data", "problem", "hints"),
    [
        ("my.csv", "the data cannot be read", ["data.path", "str: 'my.csv'"]),
        (Path("my.csv"), "the data cannot be read", ["data.path"]),
        (3, "the data cannot be read", ["int: 3", "a DataFrame"]),
        (datasets.Dataset.from_list(ROWS).to_iterable_dataset(), "the data cannot be read", ["Dataset.from_list"]),
        (["a text"], "a row of the data is no dictionary", ["data, row 0", "'a text'"]),
        ({"text": ["a"], "label": ["b"]}, "'text' is not the name of a split", ["pandas.DataFrame(data)"]),
        ({"trian": ROWS}, "'trian' is not the name of a split", ["did you mean 'train'?"]),
        ({"train": ROWS, "unsupervised": ROWS}, "'unsupervised' is not the name", ["leave 'unsupervised' out"]),
        ({"test": ROWS}, "there is no train split", ["found:    test"]),
        ({}, "there is no train split", ["an empty dict"]),
        ({"train": ROWS, "dev": ROWS, "validation": ROWS}, "the split dev is given twice", ["validation"]),
        ({"train": "train.csv"}, "the data cannot be read", ["data['train']"]),
        ([{"a": 1}, {"a": None}, {"a": "x"}], "column 'a' mixes types", ["data, row 2", "int throughout", "str: 'x'"]),
        (pandas.DataFrame({"a": ["x", 1]}), "column 'a' mixes types", ["data, row 1", "str throughout", "int: 1"]),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "the column 'a' occurs twice", ["rename"]),
        ([{"a": 2**70}], "column 'a' cannot be read", ["data"]),
    ],
)
def test_mistakes(data: Any, problem: str, hints: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        keep_data(data, tmp_path / "runs")
    assert problem in str(caught.value)
    for hint in hints:
        assert hint in str(caught.value)
    assert not (tmp_path / "runs").exists(), "nothing is written"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="cannot be written to files") as caught:
        keep_data(ROWS, tmp_path / "runs")
    assert "output_dir" in str(caught.value)


@pytest.mark.parametrize("given", [[], {"train": [{"text": "a"}], "test": []}], ids=["train", "test"])
def test_data_without_rows_are_refused(given: Any) -> None:
    with pytest.raises(UserError, match="there are no rows"):
        tables_of(given)
