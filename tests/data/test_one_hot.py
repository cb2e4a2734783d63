"""Several labels an example, as columns of 0 and 1."""

import csv
from pathlib import Path
from typing import Any

import pytest

from finetune.compose import compose
from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data, Recipe, TextClassification
from finetune.tasks import create

COLUMNS = ("toxic", "insult")
FIELDS = (Field("text", "text", "text"), Field("label", "label_list", "toxic, insult", flag_columns=COLUMNS))
ROWS = [("a", 0, 1), ("b", 1, 1), ("c", "0.0", "False"), ("d", "true", " 0 ")]


def loaded(folder: Path, rows: list[Any], test: list[Any] | None = None, **options: Any) -> LoadedData:
    for split in ("train", "dev", "test"):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", *COLUMNS), *(test if test and split == "test" else rows)])
    return load_data(Data.model_validate({"path": str(folder), **options}), FIELDS)


def test_each_column_is_a_label(tmp_path: Path) -> None:
    found = loaded(tmp_path, ROWS)
    assert found.labels["label"] == COLUMNS
    assert found.train["label"][:] == [["insult"], ["toxic", "insult"], [], ["toxic"]]
    assert "2 columns of 0 and 1 are a label each: toxic, insult" in found.notes


def test_labels_may_be_named_otherwise(tmp_path: Path) -> None:
    assert loaded(tmp_path, ROWS, labels=["T", "I"]).train["label"][:2] == [["I"], ["T", "I"]]
    with pytest.raises(UserError, match="2 columns of flags and 1 name of labels"):
        loaded(tmp_path, ROWS, labels=["T"])


def test_something_else_than_0_and_1_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 row with something else than 0 and 1") as caught:
        loaded(tmp_path, [*ROWS, ("e", 2, 0)])
    assert "line 6" in str(caught.value)
    assert "toxic '2', insult '0'" in str(caught.value)


def test_a_missing_column_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,toxic\na,1\n")
    with pytest.raises(UserError, match="there is no column 'insult'"):
        load_data(Data(path=str(tmp_path / "a.csv")), FIELDS)


def test_a_test_split_of_minus_ones_is_unlabelled(tmp_path: Path) -> None:
    assert "label" not in loaded(tmp_path, ROWS, test=[("x", -1, -1)]).test.column_names


def test_streamed_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="columns of 0 and 1 cannot be read as labels where rows are streamed"):
        loaded(tmp_path, ROWS, streaming=True)


def test_the_recipe_names_the_columns() -> None:
    recipe = compose(["recipe=sst2", "data.columns.label=[toxic, insult]"])
    (_, label) = create(recipe).fields
    assert (label.kind, label.flag_columns) == ("label_list", COLUMNS)
    asked = Recipe(
        task=TextClassification(problem_type="regression"),
        data=Data.model_validate({"path": "a.csv", "columns": {"label": COLUMNS}}),
        model=recipe.model,
    )
    with pytest.raises(UserError, match="several label columns make a multi-label problem"):
        _ = create(asked).fields
    with pytest.raises(UserError, match=r"data\.columns\.label"):
        compose(["recipe=sst2", "data.columns.label=[]"])
