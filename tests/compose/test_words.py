"""Words of a command line: keys and values, and options of other tools, which lead to the key that is meant."""

import pytest

from finetune.compose.words import parse_overrides
from finetune.errors import UserError
from tests.compose.recipes import message


def test_words_are_keys_and_values() -> None:
    assert parse_overrides(["sst2", "training.epochs=1", "task.prefix=", "a=b=c"]) == {
        "recipe": "sst2",
        "training.epochs": 1,
        "task.prefix": "",
        "a": "b=c",
    }


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["--recipe", "sst2"], "write recipe=sst2"),
        (["--recipe=sst2"], "write recipe=sst2"),
        (["--recipe"], "write recipe=NAME"),
        (["recipe=sst2", "--training.epochs", "3"], "write training.epochs=3"),
        (["recipe=sst2", "--training.epochs=3"], "write training.epochs=3"),
        (["recipe=sst2", "--seed", "3"], "write seed=3"),
        (["recipe=sst2", "--seed"], "write seed=..."),
        (["recipe=sst2", "--output_dir=out"], "write output_dir=out"),
        (["recipe=sst2", "--learning_rate", "5e-5"], "write training.learning_rate=5e-5"),
        (["recipe=sst2", "--learning-rate=5e-5"], "write training.learning_rate=5e-5"),
        (["recipe=sst2", "-lr", "5e-5"], "write training.learning_rate=5e-5"),
        (["recipe=sst2", "--fp16", "--seed", "3"], "write training.precision=fp16"),
        (["recipe=sst2", "--do_train"], "leave it out"),
        (["recipe=sst2", "--max_seq_length", "64"], "write task.max_length=64 or task.max_source_length=64"),
        (["recipe=sst2", "--no_such_thing"], "finetune help lists"),
        (["recipe=sst2", "--learnig_rate=1"], "did you mean training.learning_rate?"),
    ],
)
def test_options_of_other_tools_lead_to_the_key(words: list[str], fix: str) -> None:
    assert fix in message(words)


def test_all_options_are_told_at_once() -> None:
    text = message(["--recipe", "sst2", "--lr", "1", "--num_train_epochs=3", "--warmup_steps", "10"])
    for key in ("recipe=sst2", "training.learning_rate=1", "training.epochs=3", "training.warmup=10"):
        assert f"write {key}" in text


def test_a_negative_number_is_a_value() -> None:
    assert "write training.learning_rate=-1" in message(["recipe=sst2", "--lr", "-1"])


@pytest.mark.parametrize(
    ("word", "fix"),
    [("training", "training.epochs=1, say"), ("seed", "seed=..., say"), ("x", "training.epochs=1, say")],
)
def test_a_word_without_a_value(word: str, fix: str) -> None:
    with pytest.raises(UserError, match="is not of the form key=value") as caught:
        parse_overrides(["recipe=sst2", word])
    assert caught.value.fix == fix
