"""Scores of parts of a split: each is the score of its examples alone, and "not defined" where it says nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.compose import override
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.serve import evaluate_model
from finetune.tasks import EvaluationRecord
from finetune.training.slices import MOST_VALUES, find_slices

Toy = Callable[..., Recipe]


def records(*given: tuple[Any, Any]) -> list[EvaluationRecord]:
    return [EvaluationRecord(number, one, reference, reference) for number, (one, reference) in enumerate(given)]


def with_column(recipe: Recipe, name: str = "author", splits: tuple[str, ...] = ("train", "dev", "test")) -> None:
    """Give each row of the splits a value of a column: a, b, or an empty one."""
    for split in splits:
        path = Path(str(recipe.data.path)) / f"{split}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        named = [{**row, name: ("a", "b", "")[min(number % 7, 2)]} for number, row in enumerate(rows)]
        path.write_text("".join(json.dumps(row) + "\n" for row in named))


def results_of(recipe: Recipe) -> tuple[Path, dict[str, Any]]:
    run_recipe(recipe)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    text = (folder / "results.json").read_text()
    assert "NaN" not in text
    return folder, json.loads(text)


@pytest.mark.parametrize(
    ("kind", "architecture", "metric"),
    [
        ("text_classification", "bert", "accuracy"),
        ("token_classification", "bert", "f1"),
        ("text_to_text", "t5", "bleu"),
        ("text_classification", "bert", "loss"),
    ],
)
def test_a_slice_has_the_score_of_its_examples_alone(
    toy: Toy, tmp_path: Path, kind: str, architecture: str, metric: str
) -> None:
    slices = ["length", "author"] if kind == "text_to_text" else ["length", "label", "author"]
    keys = {"training.epochs": 1, "evaluation.slices": slices, "training.best_metric": metric}
    recipe = toy(kind, architecture, train=48, held_out=42, **keys)
    with_column(recipe)
    folder, results = results_of(recipe)
    assert list(results["slices"]) == slices
    assert [one["slice"] for one in results["slices"]["author"]] == ["(empty)", "a", "b"]
    assert sum(one["examples"] for one in results["slices"]["author"]) == 42
    assert sum(one["examples"] for one in results["slices"]["length"]) == 42
    lines = (Path(str(recipe.data.path)) / "test.jsonl").read_text().splitlines()
    for one in results["slices"]["author"]:
        value = "" if one["slice"] == "(empty)" else one["slice"]
        path = tmp_path / "part.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["author"] == value))
        part = evaluate_model(str(folder), str(path), overrides={"evaluation.slices": []})
        assert len(part.records) == one["examples"]
        assert part.scores[metric] == pytest.approx(one[metric])
        bounds = part.intervals.get(metric)
        assert one["interval"] == (None if bounds is None else pytest.approx(list(bounds)))


def test_the_scores_of_slices_by_value_make_up_that_of_the_whole(toy: Toy) -> None:
    keys = {"training.epochs": 1, "evaluation.slices": ["label", "length"]}
    _, results = results_of(toy("text_classification", "bert", train=32, held_out=30, **keys))
    for by in ("label", "length"):
        right = sum(one["accuracy"] * one["examples"] for one in results["slices"][by])
        assert right / 30 == pytest.approx(results["test"]["accuracy"])


def test_groups_are_drawn_as_a_whole_in_slices(toy: Toy) -> None:
    keys = {"training.epochs": 1, "evaluation.slices": ["author"], "data.group_column": "author"}
    recipe = toy("text_classification", "bert", train=32, held_out=42, **keys)
    with_column(recipe)
    _, results = results_of(recipe)
    by_name = {one["slice"]: one for one in results["slices"]["author"]}
    assert by_name["a"]["interval"] is None  # one group alone


def test_the_worst_slices_are_shown(toy: Toy, capfd: pytest.CaptureFixture[str]) -> None:
    keys = {"training.epochs": 1, "evaluation.slices": ["label", "length"]}
    results_of(toy("text_classification", "bert", train=32, held_out=60, **keys))
    shown = capfd.readouterr().out
    assert "worst slices by accuracy" in shown
    assert "at least 20 examples" in shown


def test_equal_lengths_are_one_slice() -> None:
    lengths = [3, 3, 3, 3, 3, 3, 9, 20]
    found = find_slices("length", records(*(("x" * length, "a") for length in lengths)), (), reads_words=False)
    assert found == {"3 to 3 characters": [0, 1, 2, 3, 4, 5], "9 to 20 characters": [6, 7]}
    words = find_slices("length", records((["a"] * 4, ["O"] * 4)), (), reads_words=True)
    assert words == {"4 to 4 words": [0]}
    pairs = find_slices("length", records((["ab", "cde"], "a")), (), reads_words=False)
    assert pairs == {"5 to 5 characters": [0]}


def test_labels_of_lists_and_rare_values() -> None:
    found = find_slices("label", records(("a", ["x", "y"]), ("b", []), ("c", ["x"])), (), reads_words=False)
    assert found == {"x": [0, 2], "y": [0], "(no label)": [1]}
    values = [str(number) for number in range(MOST_VALUES + 3)] + ["0"]
    many = find_slices("author", records(*(("a", "b") for _ in values)), values, reads_words=False)
    assert len(many) == MOST_VALUES + 1
    assert many["0"] == [0, MOST_VALUES + 3]
    assert many["other (3 values)"] == [20, 21, 22]


def test_one_example_and_one_class(toy: Toy, tmp_path: Path) -> None:
    folder, _ = results_of(toy("text_classification", "bert", train=32, held_out=8, **{"training.epochs": 1}))
    path = tmp_path / "one.jsonl"
    path.write_text('{"text": "a great film", "label": "good"}\n')
    found = evaluate_model(str(folder), str(path), overrides={"evaluation.slices": ["length", "label"]})
    assert [(one.name, one.num_examples, one.interval) for one in found.slices] == [
        ("12 to 12 characters", 1, None),
        ("good", 1, None),
    ]
    given = {
        "evaluation.slices": ["label"],
        "evaluation.metrics": ["matthews_correlation"],
        "training.best_metric": "matthews_correlation",
    }
    (one,) = evaluate_model(str(folder), str(path), overrides=given).slices
    assert (one.score, one.interval) == (None, None)
    found.save(tmp_path / "out")
    assert "NaN" not in (tmp_path / "out" / "results.json").read_text()


def test_sentences_without_entities_have_no_f1(toy: Toy, tmp_path: Path) -> None:
    folder, _ = results_of(toy("token_classification", "bert", train=32, held_out=8, **{"training.epochs": 1}))
    rows = [{"tokens": ["the", "film"], "labels": ["O", "O"], "author": "none"}]
    path = tmp_path / "one.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (one,) = evaluate_model(str(folder), str(path), overrides={"evaluation.slices": ["author"]}).slices
    found = one.score is None or one.score == 0.0  # an untrained model may find entities where there are none
    assert found
    assert one.num_examples == 1


@pytest.mark.parametrize("splits", [(), ("train", "dev")])
def test_a_column_that_is_not_in_all_splits(toy: Toy, splits: tuple[str, ...]) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **{"evaluation.slices": ["author"]})
    with_column(recipe, splits=splits)
    with pytest.raises(UserError) as caught:
        run_recipe(recipe)
    assert "author" in str(caught.value)
    assert "evaluation.slices" in str(caught.value)


def test_slices_by_class_without_classes(toy: Toy) -> None:
    recipe = toy("text_to_text", "t5", train=16, held_out=8, **{"evaluation.slices": ["label"]})
    with pytest.raises(UserError, match="there are no classes by which scores could be sliced"):
        run_recipe(recipe)


def test_rows_that_are_streamed_keep_the_column(toy: Toy) -> None:
    keys = {"training.epochs": 1, "evaluation.slices": ["author"], "data.streaming": True}
    recipe = toy("text_classification", "bert", train=32, held_out=21, **keys)
    with_column(recipe)
    _, streamed = results_of(recipe)
    _, whole = results_of(override(recipe, {"data.streaming": False, "name": "whole"}))
    assert streamed["slices"] == whole["slices"]


def test_a_score_that_no_metric_gives(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **{"training.epochs": 1})
    folder, _ = results_of(recipe)
    given = {"evaluation.slices": ["length"], "evaluation.metrics": ["precision_recall_f1"]}
    with pytest.raises(UserError, match="no metric of this run gives 'accuracy'"):
        evaluate_model(str(folder), overrides=given)
