"""Commands that there are not: what is meant by them."""

import pytest

from finetune.compose.unknown_commands import unknown_command

KNOWN = ("run", "list", "show", "predict", "evaluate", "help")


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["train", "recipe=sst2", "task.prefix=a b"], "finetune run recipe=sst2 'task.prefix=a b'"),
        (["Fit"], "finetune run"),
        (["eval", "runs/a"], "finetune evaluate runs/a"),
        (["infer", "runs/a"], "finetune predict runs/a"),
        (["sst2", "seed=1"], "finetune run recipe=sst2 seed=1"),
        (["mine.yaml"], "finetune run recipe=mine.yaml"),
        (["recipe=sst2", "seed=1"], "finetune run recipe=sst2 seed=1"),
        (["training.epochs"], "finetune help training.epochs"),
        (["lst"], "did you mean finetune list?"),
        (["zzz"], "finetune --help says what each command does"),
    ],
)
def test_what_is_meant(words: list[str], fix: str) -> None:
    error = unknown_command(words, KNOWN)
    assert error.fix == fix
    assert "run, list, show" in str(error.expected)
