"""Answers become label ids, losses are those of PyTorch's definitions, and outputs become answers again."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig

from finetune.data.features import Column
from finetune.tasks.problem_types import PROBLEM_TYPES, problem_type_of, problem_with

LABELS = ("a", "b", "c")
ANSWERS: dict[str, list[Any]] = {
    "single_label": ["c", "a"],
    "multi_label": [["b", "c"], []],
    "regression": [1.5, -2.0],
}


def tensor(name: str, answers: list[Any] | None) -> torch.Tensor:
    column = PROBLEM_TYPES[name].label_ids(answers, 2, LABELS)
    values: Any = np.array(column, dtype=np.float32 if name == "regression" else np.int64)
    offsets = None if values.ndim == 1 else np.arange(3) * values.shape[1]
    return PROBLEM_TYPES[name].tensor(Column(values.reshape(-1), offsets))


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_a_confident_right_output_has_no_loss_and_gives_the_answers_back(name: str) -> None:
    problem, label_ids = PROBLEM_TYPES[name], tensor(name, ANSWERS[name])
    if name == "single_label":
        logits = torch.nn.functional.one_hot(label_ids, 3) * 50.0
    elif name == "multi_label":
        logits = (label_ids * 2 - 1) * 50.0
    else:
        logits = label_ids[:, None]
    assert problem.losses(logits, label_ids).abs().max() < 1e-6
    assert [problem.answer(output, LABELS, 0.5) for output in problem.outputs(logits)] == ANSWERS[name]


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_unknown_answers_have_no_loss(name: str) -> None:
    label_ids = tensor(name, None)
    assert label_ids.shape[0] == 2
    logits = torch.ones(2, 1 if name == "regression" else 3)
    assert PROBLEM_TYPES[name].losses(logits, label_ids).abs().sum() == 0


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_a_problem_is_found_by_its_label_ids_and_by_the_configuration(name: str) -> None:
    problem = PROBLEM_TYPES[name]
    assert problem_with(tensor(name, ANSWERS[name])) is problem
    config = BertConfig()
    assert problem_type_of(config) is PROBLEM_TYPES["single_label"]
    config.problem_type = problem.name  # type: ignore[assignment]
    assert problem_type_of(config) is problem


def test_smoothing_moves_targets_of_labels_towards_one_half() -> None:
    losses = PROBLEM_TYPES["multi_label"].losses(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), 0.5)
    assert losses.flatten().tolist() == pytest.approx([math.log(2)] * 2)
    logits, target = torch.tensor([[3.0]]), torch.tensor([[1.0]])
    smoothed = PROBLEM_TYPES["multi_label"].losses(logits, target, 0.5)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor([[0.75]]))
    assert smoothed.item() == pytest.approx(expected.item())


def test_a_threshold_chooses_among_labels() -> None:
    assert PROBLEM_TYPES["multi_label"].answer([0.2, 0.5, 0.9], LABELS, 0.5) == ["b", "c"]
    assert PROBLEM_TYPES["multi_label"].answer([0.2, 0.5, 0.9], LABELS, 0.95) == []


def test_what_predictions_show() -> None:
    assert PROBLEM_TYPES["single_label"].shown([0.1, 0.2, 0.7], LABELS) == {
        "probabilities": {"a": 0.1, "b": 0.2, "c": 0.7}
    }
    assert PROBLEM_TYPES["regression"].shown(1.0, ("score",)) == {}
