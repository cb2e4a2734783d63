"""Every command of the README runs."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune import compose

ROOT = Path(__file__).parent.parent
SMALL = ["data.max_train_examples=32", "data.max_dev_examples=8", "data.max_test_examples=8"]
SHORT = ["training.epochs=1", "task.max_length=32"]
LAUNCHERS = (["scripts/run"], ["accelerate", "launch", "finetune/run.py"])
NEED_THE_HUB = ("recipe=sst2", "recipe=wmt14", "recipe=conll2003")


def commands() -> Iterator[list[str]]:
    """The lines of the README's shell blocks, as words."""
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def launched(words: list[str]) -> list[str] | None:
    """The words given to run.py, or None for another command."""
    for launcher in LAUNCHERS:
        if words[: len(launcher)] == launcher:
            return words[len(launcher) :]
    return None


def python(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=os.environ, capture_output=True, text=True, check=False
    )


RUNS = [words for command in commands() if (words := launched(command)) is not None]
OWN_DATA = [words for words in RUNS if any(word.startswith("data.path=") for word in words)]
SAMPLES = [words for words in RUNS if not set(words) & set(NEED_THE_HUB)]
HUB = [words for words in RUNS if set(words) & set(NEED_THE_HUB) and words not in OWN_DATA]
OTHERS = [command for command in commands() if command[0] == "finetune"]


def test_every_command_is_tested() -> None:
    known = [*map(" ".join, (*OWN_DATA, *SAMPLES, *HUB))]
    assert len(known) == len(RUNS)
    rest = [command for command in commands() if launched(command) is None and command not in OTHERS]
    assert rest == [["scripts/test"]]  # which runs this


@pytest.mark.network
@pytest.mark.parametrize("words", SAMPLES, ids=" ".join)
def test_samples_run(words: list[str], tmp_path: Path) -> None:
    done = python(str(ROOT / "finetune" / "run.py"), *words, *SMALL, *SHORT, f"output_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "test results on 8 examples" in done.stdout


@pytest.mark.parametrize("words", HUB, ids=" ".join)
def test_recipes_of_the_hub_reach_for_it(words: list[str], tmp_path: Path) -> None:
    done = python(str(ROOT / "finetune" / "run.py"), *words, f"output_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 2
    assert "the Hugging Face Hub cannot be reached" in done.stderr


@pytest.mark.parametrize("words", OWN_DATA, ids=" ".join)
def test_own_files_run(words: list[str], tmp_path: Path) -> None:
    rows = [f'"{text} number {number}",{stars}' for number in range(30) for text, stars in (("good", 5), ("bad", 1))]
    (tmp_path / "my.csv").write_text("\n".join(["review,stars", *rows]))
    scratch = ["model.name=null", "model.scratch.architecture=bert", "model.scratch.size=tiny"]
    run = str(ROOT / "finetune" / "run.py")
    done = python(run, *words, *scratch, *SHORT, f"output_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "sst2").iterdir()
    assert set(json.loads((folder / "results.json").read_text())["details"]) == {"1", "5"}


@pytest.mark.parametrize("command", OTHERS, ids=" ".join)
def test_the_finetune_command(command: list[str], tmp_path: Path) -> None:
    code = "import sys; from finetune.cli import main; sys.exit(main())"
    done = python("-c", code, *command[1:], cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_table_of_recipes_is_whole() -> None:
    listed = re.findall(r"^\| `(\w+)` \|.*\| (?:yes|no) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == compose.recipe_names()
