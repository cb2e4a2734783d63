"""Numbers with a decimal comma are read as numbers where the comma can mean nothing else."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import Field, load_data
from finetune.data.decimal_commas import as_decimal_points, decimal_note, have_decimal_commas
from finetune.data.rows import Rows
from finetune.recipe import Data

OPEN = Field("label", "label", "label", is_open=True)
NUMBER = Field("label", "number", "label")
CLASS = Field("label", "label", "label")


@pytest.mark.parametrize("field", [OPEN, NUMBER])
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["4,4", "0,3", "2", " 1,25", "", None], True),
        (["-1,5", "+2,25"], True),
        (["1,500", "2,5"], True),
        (["1,500", "2,000", "7"], False),
        (["1,0", "2,0"], False),
        (["1,2,3", "2,5"], False),
        (["1,5", "many"], False),
        (["1.5", "2,5"], False),
        ([",5"], False),
        (["1", "2"], False),
        ([], False),
        ([1.5, "2,5"], False),
    ],
)
def test_a_comma_is_decimal_where_all_cells_are_numbers_and_one_is_certain(
    cells: list[Any], expected: bool, field: Field
) -> None:
    assert have_decimal_commas([cells], field) == expected


def test_the_columns_of_all_splits_decide_together() -> None:
    assert have_decimal_commas([["1,500"], ["2,5"]], OPEN)
    assert not have_decimal_commas([["1,5"], ["many"]], OPEN)
    assert not have_decimal_commas([["1,5"], [["a"]]], OPEN)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_columns_of_arrow(kind: pa.DataType) -> None:
    assert have_decimal_commas([pa.chunked_array([["1,5", None], ["2"]], kind)], OPEN)
    assert not have_decimal_commas([pa.chunked_array([[1.5]])], OPEN)


@pytest.mark.parametrize("field", [CLASS, Field("text", "text", "label"), Field("label", "label_list", "label")])
def test_names_of_classes_and_texts_stay(field: Field) -> None:
    assert not have_decimal_commas([["1,5", "2,5"]], field)


@given(st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1))
def test_the_point_takes_the_place_of_the_comma(numbers: list[float]) -> None:
    cells = [f"{number:.3f}".replace(".", ",") for number in numbers]
    rows = as_decimal_points(Rows("my.csv", {"label": cells, "text": cells}), OPEN)
    assert [float(value) for value in rows.columns["label"]] == pytest.approx(numbers)
    assert rows.columns["text"] == cells, "other columns stay"


def test_other_values_stay() -> None:
    values = ["1,5", " 2,5 ", "many, or few", "", None, 7]
    rows = as_decimal_points(Rows("my.csv", {"label": values}), OPEN)
    assert rows.columns["label"] == ["1.5", " 2.5 ", "many, or few", "", None, 7]
    column = pa.chunked_array([["1,5", None]])
    assert as_decimal_points(Rows("my.parquet", {"label": column}), OPEN).columns["label"] == ["1.5", None]


def test_numbers_of_a_file_are_read_and_a_note_says_how(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.tsv").write_text("text\tlabel\na\t4,4\nb\t0,3\nc\t2\nd\t1,25\n")
    found = load_data(Data(path=str(tmp_path)), [Field("text", "text", "text"), OPEN])
    assert found.train["label"][:] == [4.4, 0.3, 2.0, 1.25]
    assert decimal_note("label") in found.notes
    assert "1,5 is read as 1.5; task.problem_type=single_label" in decimal_note("label")
