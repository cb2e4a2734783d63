"""Predictions as mappings and as cells."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from finetune.serve.predictions import PredictionFormatter


def formatter(*, scores: bool) -> PredictionFormatter:
    task: Any = SimpleNamespace(
        label_separator=";",
        blank_answer=lambda context: {"prediction": None, "entities": None},
        blank_scores=lambda context: {"probabilities": {"bad": None, "good": None}, "score": None},
        answer=lambda record, context: {"prediction": record.label, "entities": []},
    )
    return PredictionFormatter(task, cast(Any, None), scores=scores)


@pytest.mark.parametrize(
    ("scores", "columns"),
    [
        (False, ("prediction", "entities")),
        (True, ("prediction", "entities", "probabilities.bad", "probabilities.good", "score")),
    ],
)
def test_each_nested_value_has_a_column_of_its_own(scores: bool, columns: tuple[str, ...]) -> None:
    assert formatter(scores=scores).flat_names == columns


def test_scores_are_there_only_where_they_are_asked_for() -> None:
    record: Any = SimpleNamespace(label="good", extra={"score": 0.5})
    assert formatter(scores=False).of(record) == {"prediction": "good", "entities": []}
    assert formatter(scores=True).of(record) == {"prediction": "good", "entities": [], "score": 0.5}
    assert formatter(scores=True).blank == {"prediction": None, "entities": None, "probabilities": None, "score": None}
