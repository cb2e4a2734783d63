"""Completion of words in the shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finetune import compose
from finetune.completion import SHELL_VARIABLE, complete_key, complete_word

SCRIPT = """
source "$1"
COMP_WORDS=("${@:3}") COMP_CWORD=$2
_finetune_completion finetune
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("recipe=senti", ["recipe=sentiment_sample"]),
        ("recip", ["recipe=", *(f"recipe={name}" for name in compose.recipe_names())]),
        ("training.ep", ["training.epochs=", "training.epochs=3"]),
        ("training.epochs=", ["training.epochs=3"]),
        ("training.cpu_tuning=", ["training.cpu_tuning=false", "training.cpu_tuning=true"]),
        ("training.schedule=co", ["training.schedule=cosine", "training.schedule=constant"]),
        ("data.sample=a", ["data.sample=address"]),
        ("training.save", [f"{key}=" for key in complete_key("training.save")]),
        ("no_such_key=", []),
        ("no_such", []),
    ],
)
def test_words(word: str, expected: list[str]) -> None:
    assert complete_word(word) == expected


def test_the_beginning_of_every_key_leads_to_it() -> None:
    words = complete_word("")
    assert words[0] == "recipe="
    assert {word.rstrip("=") for word in words} == {"recipe", *compose.keys()}
    assert complete_key("training.w")[0].startswith("training.w")


def test_values_that_are_offered_are_taken() -> None:
    for word in complete_word("training.schedule="):
        assert compose.compose(["recipe=sst2", word]).training.schedule == word.partition("=")[2]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs Bash")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["finetune", "run", "recipe", "=", "sen"], ["sentiment_sample"]),
        (["finetune", "run", "recipe", "="], compose.recipe_names()),
        (["finetune", "run", "recipe", "=", "sst2", "training.schedule", "=", "li"], ["linear"]),
        (["finetune", "run", "recipe", "=", "sst2", "training.ep"], ["training.epochs=", "training.epochs=3"]),
        (["finetune", "help", "training.warm"], complete_key("training.warm")),
        (["finetune", "copy", "sst"], ["sst2"]),
        (["finetune", "run", "data.path", "=", "my"], [""]),
        (["finetune", "exp"], ["explain"]),
    ],
)
def test_bash(typed: list[str], expected: list[str], tmp_path: Path) -> None:
    folder = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    asked = environment | {SHELL_VARIABLE: "source_bash"}  # what `finetune --show-completion` prints in Bash
    shown = subprocess.run(["finetune"], env=asked, check=True, capture_output=True, text=True)
    script = tmp_path / "completion"
    script.write_text(shown.stdout)
    command = ["bash", "-c", SCRIPT, "bash", str(script), str(len(typed) - 1), *typed]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == expected
    assert done.stderr == ""
