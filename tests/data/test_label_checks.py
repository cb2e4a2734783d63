"""Labels that are not what they seem: spellings of one class, columns without classes, numbers written otherwise."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Value
from datasets import Features as Schema

from finetune.checking import check_recipe
from finetune.data import Field, LoadedData, load_data
from finetune.data.label_checks import alike
from finetune.errors import UserError
from finetune.recipe import Data
from finetune.run import run_recipe

OPEN = (Field("text", "text", "text"), Field("label", "label", "label", is_open=True))
CLASSES = (Field("text", "text", "text"), Field("label", "label", "label"))
SPLITS = ("train", "dev", "test")


def write(folder: Path, split: str, labels: Sequence[Any], delimiter: str = ",") -> Path:
    path = folder / f"{split}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(f"text {number}", label) for number, label in enumerate(labels)]
        csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *rows])
    return path


def loaded(
    folder: Path, fields: tuple[Field, ...] = OPEN, *, options: dict[str, Any] | None = None, **splits: Any
) -> LoadedData:
    for split in SPLITS:
        write(folder, split, splits.get(split, splits["train"]))
    return load_data(Data.model_validate({"path": str(folder), **(options or {})}), fields)


def test_labels_that_look_alike_are_grouped() -> None:
    assert alike(["pos", "Pos", "neg", "caf\u00e9", "cafe\u0301", "caf\u00e9\u200b", "1", "2"]) == [
        ("Pos", "pos"),
        ("cafe\u0301", "caf\u00e9", "caf\u00e9\u200b"),
    ]
    assert alike(["a", "b", "a b", "ab", "C", "c++"]) == []


def test_labels_equal_but_for_case_are_warned_of_with_the_rows_of_the_rarest(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, train=["pos", "neg", "Pos", "pos", "neg"], dev=["pos"], test=["neg"]).warnings
    assert "2 labels of column 'label' are equal but for case" in str(warning)
    assert f"{tmp_path / 'train.csv'}, line 4" in str(warning)


def test_declared_classes_are_all_meant(tmp_path: Path) -> None:
    found = loaded(tmp_path, train=["pos", "Pos"], options={"labels": ("pos", "Pos")})
    assert found.warnings == ()


def test_characters_that_nobody_sees_are_written_as_escapes(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, train=["caf\u00e9", "bar"], dev=["cafe\u0301"], test=["bar"])
    assert r"not in the train split: 'cafe\u0301'" in str(caught.value)
    (warning,) = loaded(tmp_path, train=["caf\u00e9", "cafe\u0301", "bar", "bar"]).warnings
    assert r"'cafe\u0301'" in str(warning)
    assert "Unicode form" in str(warning)


@pytest.mark.parametrize(
    ("labels", "is_told"),
    [([f"id{number}" for number in range(20)], True), (["a", "b"] * 10, False), (["a", "b", "c"], False)],
)
def test_a_column_with_about_as_many_labels_as_rows_is_warned_of(
    tmp_path: Path, labels: list[str], is_told: bool
) -> None:
    found = loaded(tmp_path, train=labels)
    assert any("seems to hold no classes" in str(one) for one in found.warnings) == is_told


def test_check_counts_label_warnings(toy: Any) -> None:
    recipe = toy("text_classification", "bert", train=40, held_out=8)
    path = Path(recipe.data.path) / "train.jsonl"
    path.write_text(path.read_text().replace('"good"', '"Good"', 1))
    assert any("equal but for case" in str(warning) for warning in check_recipe(recipe).warnings)


def test_one_and_one_point_zero_are_one_label(tmp_path: Path) -> None:
    found = loaded(tmp_path, train=["0", "1"], dev=["0.0", "1.0"], test=["1.", "0"])
    assert found.labels["label"] == ("0", "1")
    assert found.dev["label"][:] == ["0", "1"]
    assert found.test["label"][:] == ["1", "0"]
    assert any("1.0 is read as the class 1; task.problem_type=regression" in note for note in found.notes)


def test_numbers_with_a_fraction_of_zero_are_places_in_data_labels(tmp_path: Path) -> None:
    found = loaded(tmp_path, CLASSES, train=["0.0", "1.0"], options={"labels": ("neg", "pos")})
    assert found.train["label"][:] == ["neg", "pos"]


def test_whole_numbers_stored_as_floats_are_said_to_be_classes(tmp_path: Path) -> None:
    for split in SPLITS:
        Dataset.from_dict({"text": ["a", "b"], "label": [0.0, 1.0]}).to_parquet(tmp_path / f"{split}.parquet")
    found = load_data(Data(path=str(tmp_path)), OPEN)
    assert found.labels["label"] == ("0", "1")
    assert any("1.0 is read as the class 1" in note for note in found.notes)


def test_labels_that_data_labels_names_stay(tmp_path: Path) -> None:
    found = loaded(tmp_path, CLASSES, train=["0.0", "1.0"], options={"labels": ("0.0", "1.0")})
    assert found.train["label"][:] == ["0.0", "1.0"]


@pytest.mark.parametrize("missing", ["-1", "", "-1.0"])
def test_a_test_split_without_labels_is_unlabelled(tmp_path: Path, missing: str) -> None:
    found = loaded(tmp_path, train=["0", "1"], test=[missing] * 3)
    assert found.test.column_names == ["id", "text"]
    assert found.labels["label"] == ("0", "1")
    assert any("no label in any of 3 rows of the test split" in note for note in found.notes)


def test_class_numbers_of_minus_one_are_no_labels(tmp_path: Path) -> None:
    schema = Schema({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    for split in SPLITS:
        rows = [{"text": f"{split} {number}", "label": -1 if split == "test" else number} for number in (0, 1)]
        Dataset.from_list(rows, schema).to_parquet(tmp_path / f"{split}.parquet")
    found = load_data(Data(path=str(tmp_path)), CLASSES)
    assert found.train["label"][:] == ["neg", "pos"]
    assert "label" not in found.test.column_names


@pytest.mark.parametrize(
    ("options", "splits"),
    [
        ({}, {"train": ["-1", "1"], "test": ["-1", "-1"]}),
        ({"labels": ("-1", "1")}, {"train": ["1", "1"], "test": ["-1"]}),
    ],
)
def test_minus_one_is_a_class_where_train_or_the_recipe_says_so(
    tmp_path: Path, options: dict[str, Any], splits: dict[str, Any]
) -> None:
    assert set(loaded(tmp_path, CLASSES, options=options, **splits).test["label"][:]) == {"-1"}


def test_a_dev_split_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no row has a label"):
        loaded(tmp_path, train=["0", "1"], dev=["", ""])


def test_a_run_predicts_an_unlabelled_test_split_without_scores(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = toy("text_classification", "bert", train=40, held_out=8, **{"training.epochs": 1})
    path = Path(recipe.data.path) / "test.jsonl"
    rows = [json.loads(line) | {"label": "-1"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run_recipe(recipe) == {}
    (folder,) = (recipe.output_dir / "toy").iterdir()
    assert json.loads((folder / "results.json").read_text())["test"] == {}
    predictions = [json.loads(line) for line in (folder / "predictions_test.jsonl").read_text().splitlines()]
    assert len(predictions) == 8
    assert {row["prediction"] for row in predictions} <= {"good", "bad"}
    assert "predictions are written without scores" in capsys.readouterr().err


def test_sources_with_and_without_test_labels_are_not_mixed(tmp_path: Path) -> None:
    for name, test in (("a", ["0", "1"]), ("b", ["-1", "-1"])):
        (tmp_path / name).mkdir()
        for split in SPLITS:
            write(tmp_path / name, split, test if split == "test" else ["0", "1"])
    sources = [{"path": str(tmp_path / name)} for name in ("a", "b")]
    with pytest.raises(UserError, match="some sources have a test split with labels, and others one without"):
        load_data(Data.model_validate({"sources": sources}), CLASSES)


def test_numbers_with_a_decimal_comma_are_numbers(tmp_path: Path) -> None:
    found = loaded(tmp_path, train=["4,4", "0,3", "2", " 1,25"])
    assert found.train["label"][:] == [4.4, 0.3, 2.0, 1.25]
    assert any("decimal comma: 1,5 is read as 1.5" in note for note in found.notes)


@pytest.mark.parametrize("labels", [["1,500", "2,000", "7"], ["1,2,3", "2"], ["1,5", "a"], ["1,0", "2,0"]])
def test_a_comma_that_may_mean_something_else_stays(tmp_path: Path, labels: list[str]) -> None:
    assert loaded(tmp_path, train=labels).train["label"][:] == labels


def test_lists_of_one_are_classes_where_one_class_is_asked_for(tmp_path: Path) -> None:
    for split in SPLITS:
        rows = [{"text": f"{split} {label}", "label": [label]} for label in ("pos", "neg")]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = load_data(Data(path=str(tmp_path)), CLASSES)
    assert found.train["label"][:] == ["pos", "neg"]
    assert "column 'label' holds lists of one class, which are read as that class" in found.notes


@pytest.mark.parametrize("fields", [OPEN, CLASSES])
def test_not_a_number_is_no_label(tmp_path: Path, fields: tuple[Field, ...]) -> None:
    lines = [json.dumps({"text": f"t {number}", "label": label}) for number, label in enumerate([1, 0, float("nan")])]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(UserError, match="1 row without a label in column 'label'") as caught:
        load_data(Data(path=str(tmp_path / "a.jsonl")), fields)
    assert "line 3" in str(caught.value)
