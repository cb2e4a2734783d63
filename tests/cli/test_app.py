"""The application: help, version, the order of commands, and words of other tools."""

import re

import pytest

from finetune import __version__
from finetune.cli.app import ORDER
from tests.cli.commands import finetune


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list", "--help"], ["show", "--help"]])
def test_help(words: list[str]) -> None:
    shown = finetune(*words)
    assert shown.returncode == 0
    assert "Usage" in shown.stdout


def test_version() -> None:
    assert finetune("--version").stdout.strip() == __version__


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["train", "recipe=sst2"], "finetune run recipe=sst2"),
        (["run", "--recipe", "sst2"], "write recipe=sst2"),
        (["check", "recipe=sst2", "--lr", "1e-4"], "write training.learning_rate=1e-4"),
        (["show", "recipe=sst2", "--num_train_epochs=3"], "write training.epochs=3"),
        (["predict", "runs/a", "new.csv"], "finetune predict runs/a --input new.csv"),
    ],
)
def test_words_of_other_tools_lead_home(words: list[str], fix: str) -> None:
    shown = finetune(*words)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ")
    assert f"fix:      {fix}" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_commands_are_listed_in_their_order() -> None:
    listed = re.findall(r"^│ (\w+)", finetune("--help", COLUMNS="100").stdout, re.MULTILINE)
    assert tuple(listed[: len(ORDER)]) == ORDER
    assert "push" in listed


def test_a_command_whose_processes_would_all_do_the_same_runs_in_one() -> None:
    several = {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "RANK": "1"}
    shown = finetune("list", **several)
    assert shown.returncode == 2
    assert "finetune list runs in one process" in shown.stderr
    assert "fix:      start it without accelerate launch: finetune list" in shown.stderr
    assert finetune("list", **several | {"WORLD_SIZE": "1"}).returncode == 0
    assert finetune("evaluate", "--help", **several).returncode == 0, "whose processes share the examples"
