"""The metrics of a task: the recipe's or its own, each with the predictions in the form that it needs."""

from typing import Any

from finetune.recipe import Evaluation, TextClassification, TextToText


def test_the_metrics_of_the_recipe_take_the_place_of_the_tasks(make: Any) -> None:
    task, context = make(TextClassification(), labels=("a", "b"))
    pair = (["a", "b", "b"], ["a", "b", "a"])
    assert {"accuracy", "f1"} <= task.compute({}, pair, context).values.keys()
    task.recipe = task.recipe.model_copy(update={"evaluation": Evaluation(metrics=("accuracy",))})
    assert task.compute({}, pair, context).values == {"accuracy": 2 / 3}


def test_a_metric_can_have_predictions_of_its_own_form(make: Any) -> None:
    task, context = make(TextToText(target="de"), "t5")
    texts = (["ein haus steht dort drüben"], ["ein haus steht dort drüben"])
    values = task.compute({"token_accuracy": ([[1, 2]], [[1, 3]])}, texts, context).values
    assert values["token_accuracy"] == 0.5
    assert values["bleu"] > 99
    assert task.metric_options(context).target_language == "de"
