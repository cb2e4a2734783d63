"""What tasks have in common: fields, numbered features, and mistakes that any task reports."""

from typing import Any

import pytest
from datasets import Dataset

from finetune import recipe
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import TextClassification, TextToText, TokenClassification
from finetune.tasks.base import numbered

ROWS = {"source": ["the red dog", "a house"], "target": ["der rote hund", "ein haus"], "id": [4, 5]}


@pytest.mark.parametrize(
    ("section", "inputs", "writes_text"),
    [
        (TextClassification(), ["text"], False),
        (TokenClassification(), ["tokens"], False),
        (TextToText(), ["source"], True),
    ],
)
def test_a_prediction_needs_all_fields_but_the_reference(
    make: Any, section: recipe.TaskSection, inputs: list[str], writes_text: bool
) -> None:
    task, _ = make(section)
    assert [field.name for field in task.input_fields] == inputs
    assert {field.name for field in task.fields} == {*inputs, task.reference_field}
    assert (task.head, task.writes_text) == (section.head.name, writes_text)


def test_features_are_numbered() -> None:
    assert numbered(Dataset.from_dict({"x": [7, 8, 9]}))["feature"][:] == [0, 1, 2]


def test_a_few_examples_are_encoded_as_a_split_is(make: Any) -> None:
    task, context = make(TextToText(), "t5")
    split = Dataset.from_dict(ROWS)
    assert task.encode_some(split, context).to_dict() == task.encode(split, context).to_dict()


def test_classes_are_weighted_only_where_there_are_classes(make: Any) -> None:
    task, context = make(TextToText(), "t5")
    training = recipe.Training(class_weights="balanced")
    task.recipe = task.recipe.model_copy(update={"training": training})
    features = Features.of(task.encode(Dataset.from_dict(ROWS), context))
    with pytest.raises(UserError, match="only classes can be weighted"):
        task.weighted(features, context)


def test_a_task_without_baselines_says_so(make: Any) -> None:
    task, context = make(TokenClassification(), labels=("O", "B-X"))
    with pytest.raises(UserError, match="there are no baselines for this task") as caught:
        task.check_baselines(context)
    assert caught.value.fix == "evaluation.baselines=false"


def test_the_model_card_shows_an_input_and_its_longest_length(make: Any) -> None:
    task, _ = make(TextClassification(max_length=17))
    assert task.example_input == TextClassification.example
    assert "at most 17 tokens" in task.length_note
