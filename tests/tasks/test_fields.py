"""The fields of tasks, which are known without torch."""

from typing import Any

import pytest

from finetune import recipe, tasks
from finetune.data.fields import Field
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.recipe.task_registry import task_sections
from finetune.tasks.fields import early_fields


def made(kind: str, **sections: Any) -> Recipe:
    tree = {"name": "r", "task": {"kind": kind}, "model": {"sample": "minilm"}, "data": {"path": "a.csv"}, **sections}
    return Recipe.model_validate(tree)


BUILT_IN = ("text_classification", "token_classification", "text_to_text", "translation")


@pytest.mark.parametrize("kind", BUILT_IN)
def test_they_are_those_of_the_task(kind: str) -> None:
    assert kind in task_sections()
    config = made(kind)
    assert early_fields(config)
    assert early_fields(config) == tasks.create(config).fields


def test_values_that_masks_read_are_among_them() -> None:
    fields = early_fields(made("text_classification", attention={"encoder": "prefix(length)"}))
    assert [field.column for field in fields] == ["text", "label", "length"]


def test_a_pair_and_columns_of_flags() -> None:
    data = {"path": "a.csv", "columns": {"text_pair": "second", "label": ["toxic", "insult"]}}
    fields = early_fields(made("text_classification", data=data))
    assert [field.name for field in fields] == ["text", "text_pair", "label"]
    assert fields[-1].flag_columns == ("toxic", "insult")


def test_several_label_columns_for_one_class_are_refused() -> None:
    data = {"path": "a.csv", "columns": {"label": ["toxic", "insult"]}}
    task = {"kind": "text_classification", "problem_type": "single_label"}
    with pytest.raises(UserError, match="several label columns make a multi-label problem"):
        early_fields(made("", task=task, data=data))


def test_translation_names_columns_by_language_and_nests_those_of_the_hub() -> None:
    languages = {"kind": "translation", "source": "de", "target": "fr"}
    local = early_fields(made("", task=languages))
    assert [field.column for field in local] == ["de", "fr"]
    of_hub = early_fields(made("", task=languages, data={"name": "somebody/something"}))
    assert [field.column for field in of_hub] == ["translation.de", "translation.fr"]


def test_a_task_without_such_a_function_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe.TextClassification, "fields_function", "")
    fields: tuple[Field, ...] = early_fields(made("text_classification"))
    assert fields == ()
