"""Inputs that a tokenizer does not know, and targets that it cannot write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from finetune.checking import check_recipe
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import TextClassification, TextToText, TokenClassification
from finetune.tasks.tokenizer_losses import lost_targets
from finetune.training import prepare
from tests.training.conftest import toy as toy

KNOWN: dict[str, Any] = {"source": ["the red dog", "a house"], "target": ["der rote hund", "ein haus"], "id": [0, 1]}


def losses(made: tuple[Any, Any], rows: dict[str, Any]) -> list[UserError]:
    task, context = made
    split = Dataset.from_dict(rows)
    return list(task.tokenizer_losses({"train": split}, {"train": Features.of(task.encode(split, context))}, context))


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_what_the_tokenizer_knows_is_not_told(make: Any, architecture: str) -> None:
    assert losses(make(TextToText(), architecture), KNOWN) == []


def test_targets_that_do_not_come_back_are_told_with_their_characters(make: Any) -> None:
    task, context = make(TextToText(), "t5")
    (warning,) = losses((task, context), KNOWN | {"target": ["ein {haus}\x07", "der  rote hund"]})
    told = str(warning)
    assert "targets that the tokenizer cannot write: 1 of 2 in train (50.0%)" in told, "two spaces are no change"
    assert "lost: { } \\x07" in told


def test_the_best_score_that_is_left_is_that_of_what_is_written(make: Any) -> None:
    _, context = make(TextToText(), "t5")
    given: list[list[str]] = []

    def score(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        given.append([*predictions, *references])
        return {"bleu": 7.0}

    warning = lost_targets({"train": ["ein haus"], "test": ["ein {haus}"]}, context.tokenizer, score)
    assert "1 of 1 in test (100.0%); the best score that is left: bleu 7.0" in str(warning)
    ((written, reference),) = given
    assert (written.count("{"), reference) == (0, "ein {haus}")


def test_an_uncased_tokenizer_cannot_write_capitals(make: Any) -> None:
    task, context = make(TextToText(), "bert")
    (warning,) = losses((task, context), KNOWN | {"target": ["Ein haus", "der hund"]})
    assert "1 of 2 in train" in str(warning)
    assert "lost: E" in str(warning)


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (TextClassification(), {"text": ["the red dog", "a \u4eca house", "\u4eca"], "label": ["a", "a", "a"]}),
        (TextToText(), {"source": ["the red dog", "a \u4eca", "\u4eca house"], "target": ["der hund"] * 3}),
        (
            TokenClassification(),
            {"tokens": [["the"], ["a", "\u4eca"], ["\u4eca"]], "labels": [["O"], ["O"] * 2, ["O"]]},
        ),
    ],
)
def test_inputs_with_unknown_tokens_are_told(make: Any, task: Any, rows: dict[str, list[Any]]) -> None:
    labels = None if isinstance(task, TextToText) else ("a", "O")
    (warning,) = losses(make(task, "bert", labels=labels), rows | {"id": [0, 1, 2]})
    assert "2 of 3 in train (66.7%)" in str(warning)
    assert "\u4eca in 'a \u4eca" in str(warning)


def test_a_change_late_in_a_long_target_is_shown(make: Any) -> None:
    (warning,) = losses(make(TextToText(), "t5"), KNOWN | {"target": ["haus " * 90 + "{x} haus", "der hund"]})
    assert "haus {x} haus'" in (warning.found or "")
    assert len(warning.found or "") < 300


def test_check_and_a_run_warn(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = toy("text_to_text", "t5", train=40, held_out=8)
    for split in ("dev", "test"):  # a tokenizer from scratch knows the characters of train alone
        path = Path(recipe.data.path) / f"{split}.jsonl"
        path.write_text(path.read_text().replace('"}', '\u2603"}'))
    told = [str(warning) for warning in check_recipe(recipe).warnings]
    expected = "targets that the tokenizer cannot write: 8 of 8 in dev (100.0%), 8 of 8 in test (100.0%); the best"
    assert any(expected in warning for warning in told)
    prepare(recipe)
    assert f"warning: {expected}" in capsys.readouterr().err
