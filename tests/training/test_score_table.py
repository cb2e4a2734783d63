"""Scores with their intervals as text."""

from dataclasses import replace

import pytest

from finetune.metrics import Interval, Scores
from finetune.tasks import EvaluationRecord
from finetune.training.evaluation import EvaluationResult
from finetune.training.score_table import (
    FEWEST_EXAMPLES,
    MOST_SLICES,
    facts_of_scores,
    print_scores,
    print_slices,
    scores_in_line,
)
from finetune.training.slices import SliceScore


def result(**extra: str) -> EvaluationResult:
    records = (EvaluationRecord(0, "a", "b", "b", dict(extra)),)
    return EvaluationResult(
        Scores({"accuracy": 0.75, "f1": 1.0}, intervals={"accuracy": Interval(0.5, 0.9)}), 0.5, records
    )


def test_a_score_without_an_interval_is_not_defined(capsys: pytest.CaptureFixture[str]) -> None:
    print_scores("scores of a model", "bert", result())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "scores of a model"
    assert any("accuracy" in line and "0.7500" in line and "0.5000 to 0.9000" in line for line in lines)
    assert any("f1" in line and "not defined" in line for line in lines)
    assert list(scores_in_line(result())) == ["loss 0.5000", "accuracy 0.7500 (0.5000 to 0.9000)", "f1 1.0000"]


def test_baselines_and_groups_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_scores("scores", "bert", result(group="x"), {"majority class": Scores({"accuracy": 0.25})})
    shown = capsys.readouterr().out
    assert "majority class" in shown
    assert "0.2500" in shown
    assert "intervals are of 1 groups" in shown


def test_the_entries_of_results() -> None:
    facts = facts_of_scores(result())
    assert facts == {"intervals": {"accuracy": [0.5, 0.9]}, "details": {}, "signatures": {}}


def test_only_slices_with_enough_examples_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    few = SliceScore("label", "rare", FEWEST_EXAMPLES - 1, "accuracy", 0.0, None)
    undefined = SliceScore("label", "nothing", 100, "accuracy", None, None)
    many = [
        SliceScore("label", f"class {number}", 20 + number, "accuracy", number / 10, Interval(0.0, 0.95))
        for number in range(MOST_SLICES + 2)
    ]
    print_slices(replace(result(), slices=(few, undefined)))
    assert "no slice has both" in capsys.readouterr().out
    print_slices(replace(result(), slices=(few, undefined, *reversed(many))))
    shown = capsys.readouterr().out
    assert "worst slices by accuracy (5 of 7 slices with at least 20 examples)" in shown
    names = [name for line in shown.splitlines() for name in [line.split("│")[2:3]] if name and "class" in name[0]]
    assert [name[0].strip() for name in names] == [f"class {number}" for number in range(MOST_SLICES)]
    print_slices(replace(result(), slices=tuple(many)), greater_is_better=False)
    assert "class 6" in capsys.readouterr().out
    entry = facts_of_scores(replace(result(), slices=(few,)))["slices"]["label"]
    assert entry == [{"slice": "rare", "examples": FEWEST_EXAMPLES - 1, "accuracy": 0.0, "interval": None}]
    print_slices(result())
    assert capsys.readouterr().out == ""
