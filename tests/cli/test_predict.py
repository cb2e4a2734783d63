"""Words of finetune predict that cannot be read."""

import pytest

from tests.cli.commands import finetune


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["new.csv"], "finetune predict runs/a --input new.csv"),
        (["--column", "review"], "--column text=review, say"),
    ],
)
def test_mistakes(words: list[str], fix: str) -> None:
    shown = finetune("predict", "runs/a", *words)
    assert shown.returncode == 2
    assert f"fix:      {fix}" in shown.stderr


def test_an_unknown_task_is_answered_with_those_that_there_are() -> None:
    shown = finetune("predict", "runs/a", "--task", "summarization")
    assert shown.returncode == 2
    assert "text_classification" in shown.stderr


@pytest.mark.parametrize("option", ["--input", "--output"])
def test_an_empty_name_is_refused(option: str) -> None:
    shown = finetune("predict", "runs/a", "--input", "a.csv", option, "")
    assert shown.returncode == 2
    assert f"{option} is empty" in shown.stderr
