"""Labels that are not what they seem: spellings of one class, columns without classes, numbers written otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.checking import check_recipe
from finetune.data import Field, load_data
from finetune.data.label_checks import alike
from finetune.errors import UserError
from finetune.recipe import Data
from finetune.run import run_recipe
from tests.data.labelled import CLASSES, OPEN, loaded


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


@pytest.mark.parametrize("missing", ["nan", "NaN", "<NA>"])
def test_missing_values_that_were_written_as_text_are_warned_of(tmp_path: Path, missing: str) -> None:
    (warning,) = loaded(tmp_path, train=["pos", "neg", missing], dev=["pos"], test=["neg"]).warnings
    assert str(warning).startswith(f"{missing} of column 'label' counts as a class, and is what pandas writes")
    assert f"{tmp_path / 'train.csv'}, line 4" in str(warning)
    named = loaded(tmp_path, train=["pos", "neg", missing], options={"labels": ("pos", "neg", missing)})
    assert named.warnings == ()
    assert loaded(tmp_path, train=["pos", "neg", "none"], dev=["pos"], test=["neg"]).warnings == ()


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


@pytest.mark.parametrize("fields", [OPEN, CLASSES])
def test_not_a_number_is_no_label(tmp_path: Path, fields: tuple[Field, ...]) -> None:
    lines = [json.dumps({"text": f"t {number}", "label": label}) for number, label in enumerate([1, 0, float("nan")])]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(UserError, match="1 row without a label in column 'label'") as caught:
        load_data(Data(path=str(tmp_path / "a.jsonl")), fields)
    assert "line 3" in str(caught.value)
