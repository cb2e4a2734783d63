"""Scores with their intervals as text."""

import pytest

from finetune.metrics import Interval, Scores
from finetune.tasks import EvaluationRecord
from finetune.training.evaluation import EvaluationResult
from finetune.training.score_table import facts_of_scores, print_scores, scores_in_line


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
