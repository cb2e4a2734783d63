"""Models that need not be trained, for what they predict, are told at the end of a run."""

from collections.abc import Callable
from typing import Any

import pytest
from datasets import Dataset, Features, List, Value

from finetune import tasks
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.tasks import EvaluationRecord
from finetune.training.trivial import find_trivial
from tests.training.conftest import TASKS
from tests.training.conftest import toy as toy


def found(
    kind: str, train: list[Any], predictions: list[Any], references: list[Any], *, taken: int = 33, **keys: Any
) -> str | None:
    recipe = Recipe.model_validate(
        {"name": "toy", "task": TASKS[kind][1], "model": {"name": "x"}, "data": {"path": "x"}, "training": keys}
    )
    task = tasks.create(recipe)
    column = task.reference_field
    value = Value("float64") if train and isinstance(train[0], float) else Value("string")
    split = Dataset.from_dict(
        {column: train}, features=Features({column: List(value) if isinstance(train[0], list) else value})
    )
    records = [EvaluationRecord(0, None, wanted, given) for given, wanted in zip(predictions, references, strict=True)]
    warning = find_trivial(task, split, records, taken)
    return None if warning is None else str(warning)


def test_one_class_only() -> None:
    told = found("text_classification", ["a", "a", "b"], ["b"] * 4, ["a", "b", "b", "b"])
    assert told is not None
    for sign in (
        "predicts one class only",
        "'b' for all 4 texts",
        "class_weights=balanced",
        "training.epochs=9",
        "33 steps",
    ):
        assert sign in told


def test_no_better_than_the_majority_baseline() -> None:
    told = found("text_classification", ["a", "a", "b"], ["b", "a", "a", "a"], ["a", "b", "a", "a"])
    assert told is not None
    assert "no better than always predicting the commonest class" in told
    assert "accuracy 0.5000, of the majority baseline 0.7500 (always 'a')" in told


def test_keys_that_are_set_already_are_not_named_again() -> None:
    keys: dict[str, Any] = {"class_weights": "balanced", "steps": 40}
    told = found("text_classification", ["a", "b"], ["b", "b"], ["a", "b"], **keys)
    assert told is not None
    assert "class_weights" not in told
    assert "training.steps=120" in told


@pytest.mark.parametrize(
    ("kind", "train", "predictions", "references", "sign"),
    [
        ("token_classification", [["O", "O"]], [["O", "O"], ["O"]], [["B-A", "O"], ["O"]], "'O' for all 3 words"),
        ("token_classification", [["O", "O"]], [["B-A", "O"]], [["O", "B-A"]], "no better than always"),
        ("text_to_text", ["x"], ["so", "so"], ["eins", "zwei"], "the same text for all"),
        ("text_to_text", ["x"], ["", "", "drei"], ["eins", "zwei", "drei"], "predicts empty texts"),
        ("text_classification", [1.0], [2.0, 2.001], [1.0, 4.0], "the same number for all"),
        ("text_classification", [["a"]], [[], []], [["a"], ["b"]], "predicts empty sets of labels"),
        ("text_classification", [["a"]], [["a"], ["a"]], [["a"], ["b", "a"]], "predicts one class only"),
    ],
)
def test_every_task_has_such_predictions(
    kind: str, train: list[Any], predictions: list[Any], references: list[Any], sign: str
) -> None:
    told = found(kind, train, predictions, references)
    assert told is not None
    assert sign in told


@pytest.mark.parametrize(
    ("kind", "train", "predictions", "references"),
    [
        ("text_classification", ["a", "b"], ["a", "b"], ["a", "b"]),
        ("text_classification", ["a", "b"], ["a", "a"], ["a", "a"]),
        ("text_classification", ["a", "b"], ["a", "a"], [None, None]),
        ("text_classification", [1.0], [1.5, 3.0], [1.0, 4.0]),
        ("text_classification", [["a"]], [["a"], []], [["a"], []]),
        ("token_classification", [["O"]], [["O", "O"]], [["O", "-100"]]),
        ("text_to_text", ["x"], ["one", "two"], ["eins", "zwei"]),
        ("text_to_text", ["x"], ["", "zwei"], ["", "zwei"]),
    ],
)
def test_other_predictions_are_not_told(
    kind: str, train: list[Any], predictions: list[Any], references: list[Any]
) -> None:
    assert found(kind, train, predictions, references) is None


def test_texts_after_a_few_steps_tell_nothing_of_the_run_but_classes_do() -> None:
    assert found("text_to_text", ["x"], ["", ""], ["eins", "zwei"], taken=2) is None
    assert found("text_classification", ["a", "b"], ["a", "a"], ["a", "b"], taken=2) is not None


def test_a_run_tells_it_at_its_end(toy: Callable[..., Recipe], capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"training.learning_rate": 1e-12, "training.epochs": 1}
    run_recipe(toy("token_classification", "bert", train=24, held_out=8, **keys))
    assert "warning: the model " in capsys.readouterr().err
