"""Mappings as columns: dotted paths, values that are missing, and columns that are."""

from typing import Any

import pytest

from finetune.data import Field
from finetune.data.dict_rows import rows_from_objects
from finetune.errors import UserError


def fields(*columns: str) -> tuple[Field, ...]:
    return tuple(Field("text", "text", column) for column in columns)


def test_paths_step_into_mappings_and_lists() -> None:
    objects = [{"a": {"b": [{"c": 1}, {"c": 2}]}, "a.b": "whole"}]
    columns = rows_from_objects("x", objects, fields("a.b.1.c", "a.b")).columns
    assert columns == {"a.b.1.c": [2], "a.b": ["whole"]}


def test_rows_that_lack_a_column_have_none() -> None:
    objects: list[dict[str, Any]] = [{"a": 1}, {}, {"a": {"b": 1}}, {"a": None}]
    assert rows_from_objects("x", objects, fields("a")).columns == {"a": [1, None, {"b": 1}, None]}
    assert rows_from_objects("x", objects, fields("a.b")).columns == {"a.b": [None, None, 1, None]}


def test_a_column_may_be_nested_in_translation_and_that_is_said() -> None:
    rows = rows_from_objects("x", [{"translation": {"en": "a"}}], fields("en"))
    assert rows.columns == {"en": ["a"]}
    assert rows.notes == ("x: column 'en' is read from translation.en",)


def test_no_rows_have_every_column() -> None:
    assert rows_from_objects("x", [], fields("a")).columns == {"a": []}


def test_a_column_that_no_row_has_is_reported_with_those_that_there_are() -> None:
    objects = [{"texts": "a", "meta": {"id": 1}, "parts": [{"b": 1}] * 9}]
    with pytest.raises(UserError, match="no column 'text'") as caught:
        rows_from_objects("x.json", objects, fields("text"))
    assert caught.value.where == "x.json"
    assert "texts, meta.id, parts.0.b, parts.1.b, parts.2.b" in str(caught.value)
    assert "parts.3.b" not in str(caught.value)
