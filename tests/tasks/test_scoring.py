"""The metrics of a task: the recipe's or its own, each with the predictions in the form that it needs."""

from typing import Any

from finetune.recipe import Evaluation, TextClassification, TextToText, TokenClassification
from finetune.tasks import EvaluationRecord
from finetune.tasks.scoring import MetricInputs


def records(predictions: list[Any], references: list[Any], **hidden: list[Any]) -> list[EvaluationRecord]:
    return [
        EvaluationRecord(number, None, reference, prediction, hidden={name: hidden[name][number] for name in hidden})
        for number, (prediction, reference) in enumerate(zip(predictions, references, strict=True))
    ]


def test_the_metrics_of_the_recipe_take_the_place_of_the_tasks(make: Any) -> None:
    task, context = make(TextClassification(), labels=("a", "b"))
    given = records(["a", "b", "b"], ["a", "b", "a"])
    assert {"accuracy", "f1"} <= task.score(given, context).values.keys()
    task.recipe = task.recipe.model_copy(update={"evaluation": Evaluation(metrics=("accuracy",))})
    scores = task.score(given, context)
    assert scores.values == {"accuracy": 2 / 3}
    assert scores.intervals == {}


def test_a_metric_can_have_predictions_of_its_own_form(make: Any) -> None:
    task, context = make(TextToText(target="de"), "t5")
    text = "ein haus steht dort drüben"
    scores = task.score(records([text], [text], guessed=[[1, 2]], labels=[[1, 3]]), context)
    assert scores.values["token_accuracy"] == 0.5
    assert scores.values["bleu"] > 99
    assert task.metric_options(context).target_language == "de"


def test_intervals_hold_the_scores(make: Any) -> None:
    task, context = make(TextClassification(), labels=("a", "b"))
    scores = task.score(records(["a", "b", "b"] * 9, ["a", "b", "a"] * 9), context, intervals=True)
    assert scores.intervals.keys() == scores.values.keys()
    assert all(interval.low < scores.values[name] < interval.high for name, interval in scores.intervals.items())


def test_groups_are_drawn_instead_of_examples(make: Any) -> None:
    task, context = make(TextClassification(), labels=("a", "b"))
    predictions, references = ["a", "b", "b", "a"], ["a", "b", "a", "a"]
    alone = task.score(records(predictions, references), context, intervals=True, groups=["1", "2", "3", "4"])
    doubled = task.score(records(predictions * 2, references * 2), context, intervals=True, groups=[*"1234", *"1234"])
    assert alone.intervals == doubled.intervals


def test_words_are_drawn_by_sentence(make: Any) -> None:
    """Each sentence twice as long says no more about other sentences."""
    recipe = TokenClassification()
    task, context = make(recipe, labels=("x", "y"))
    task.recipe = task.recipe.model_copy(update={"evaluation": Evaluation(metrics=("matthews_correlation",))})
    predictions, references = [["x", "y"], ["y", "y"], ["x", "x"], ["y", "x"]], [["x", "y"], ["x", "y"]] * 2
    once = task.score(records(predictions, references), context, intervals=True)
    twice = task.score(
        records([labels * 2 for labels in predictions], [labels * 2 for labels in references]), context, intervals=True
    )
    assert once.intervals == twice.intervals != {}


def test_units_of_entries() -> None:
    inputs = MetricInputs((["x", "y", "y"], ["x", "x", "y"]), {"seqeval": ([], [])}, [0, 0, 1])
    assert inputs.units("accuracy", None) == [0, 0, 1]
    assert inputs.units("accuracy", ["doc", "other"]) == ["doc", "doc", "other"]
    assert inputs.units("seqeval", None) is None
    assert inputs.units("seqeval", ["doc", "other"]) == ["doc", "other"]
