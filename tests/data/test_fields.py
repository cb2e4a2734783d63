"""What a task reads, and by which key of the recipe its column is named."""

import pytest

from finetune.data.fields import Field, asked_columns
from finetune.data.messages import missing_columns
from finetune.recipe.data import ColumnNames


@pytest.mark.parametrize("name", ["text", "label", "tokens", "labels", "source", "target"])
def test_the_key_of_a_field_is_one_of_the_recipes(name: str) -> None:
    section, _, key = Field(name, "text", "mine").key.rpartition(".")
    assert section == "data.columns"
    assert key in ColumnNames.model_fields


def test_another_key_is_the_one_that_messages_name() -> None:
    field = Field("source", "text", "en", own_key="task.source")
    assert field.key == "task.source"
    (error,) = missing_columns("my.csv", [field], ["eng"])
    assert error.fix == "task.source=eng"


def test_columns_are_asked_for_once_in_the_order_of_the_fields() -> None:
    fields = [Field("text", "text", "b"), Field("text_pair", "text", "a"), Field("label", "label", "b")]
    assert asked_columns(fields) == ("b", "a")
    assert asked_columns([]) == ()
