"""Runs of few steps, and splits of few rows."""

import pytest

from finetune.checking.amounts import few_rows, few_steps
from finetune.compose import compose


@pytest.mark.parametrize(
    ("words", "steps", "total", "signs"),
    [
        ([], 11, 33, ["only 11 steps", "the run 33", "training.epochs=10", "training.batch_size=8"]),
        (["training.steps=20"], 11, 20, ["training.steps=20", "training.steps=100 trains longer"]),
        (
            ["training.tokens_per_batch=400", "training.epochs=1"],
            1,
            1,
            ["only 1 step", "tokens_per_batch=100"],
        ),
    ],
)
def test_a_run_of_few_steps(words: list[str], steps: int, total: int, signs: list[str]) -> None:
    (warning,) = few_steps(steps, total, compose(["recipe=sst2", "training.batch_size=32", *words]))
    for sign in signs:
        assert sign in str(warning)


def test_a_run_of_many_steps_is_not_told() -> None:
    assert list(few_steps(34, 102, compose(["recipe=sst2"]))) == []


def test_few_rows_to_score_on() -> None:
    (warning,) = few_rows({"train": 64, "dev": 8, "test": 80})
    for sign in ("dev has only 8 rows", "12.5 points of dev accuracy", "data.dev_share=0.3"):
        assert sign in str(warning)
    assert "test" not in str(warning)
    assert list(few_rows({"train": 64, "dev": 50, "test": 80})) == []
