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

import finetune as package
from finetune import cli, compose, run
from tests.hub_server import library
from tests.hub_server.fixtures import hub as hub
from tests.hub_server.hub import Hub, User

ROOT = Path(__file__).parent.parent
SMALL = ["data.max_train_examples=32", "data.max_dev_examples=8", "data.max_test_examples=8"]
SHORT = ["training.epochs=1", "task.max_length=32"]
LAUNCH = ["accelerate", "launch"]
TWO = ["ACCELERATE_USE_CPU=true", *LAUNCH, "--config_file", "configs/accelerate/cpu_2.yaml", "finetune/run.py"]
LAUNCHERS = (["scripts/run"], [*LAUNCH, "finetune/run.py"], TWO)
NEED_THE_HUB = ("recipe=sst2", "recipe=wmt14", "recipe=conll2003")


def commands() -> Iterator[list[str]]:
    """The lines of the README's shell blocks, as words."""
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def python_blocks() -> list[str]:
    """The README's blocks of Python."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


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
FUNCTIONS = [words for words in RUNS if any(word.startswith("data.function=") for word in words)]
SAMPLES = [words for words in RUNS if not set(words) & set(NEED_THE_HUB)]
PUSHED = [words for words in RUNS if any(word.startswith("hub.push=") for word in words)]
HUB = [words for words in RUNS if set(words) & set(NEED_THE_HUB) and words not in [*OWN_DATA, *FUNCTIONS, *PUSHED]]
OTHERS = [command for command in commands() if command[0] == "finetune"]
PUBLISHED = [command for command in OTHERS if "user/name" in command]
ON_OWN_DATA = [command for command in OTHERS if command[1] in ("init", "check", "predict") and command not in PUBLISHED]
SCRATCH = ["model.name=null", "model.scratch.architecture=bert", "model.scratch.size=tiny"]


def test_every_command_is_tested() -> None:
    known = [*map(" ".join, (*OWN_DATA, *FUNCTIONS, *SAMPLES, *PUSHED, *HUB))]
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


def write_reviews(path: Path) -> None:
    rows = [f'"{text} number {number}",{stars}' for number in range(30) for text, stars in (("good", 5), ("bad", 1))]
    path.write_text("\n".join(["review,stars", *rows]))


def test_own_files_are_checked_trained_on_and_predicted(tmp_path: Path) -> None:
    write_reviews(tmp_path / "my.csv")
    write_reviews(tmp_path / "new.csv")
    (words,), (init, check, predict) = OWN_DATA, ON_OWN_DATA
    done = finetune(*init[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert compose.load_recipe(str(tmp_path / "recipe.yaml")).data.columns.label == "stars"
    done = finetune(*check[1:], *SCRATCH, *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = python(str(ROOT / "finetune" / "run.py"), *words, *SCRATCH, *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "sst2").iterdir()
    assert set(json.loads((folder / "results.json").read_text())["details"]) == {"1", "5"}
    done = finetune(*(str(folder) if word == "RUN" else word for word in predict[1:]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 61


def test_models_go_to_the_hub_and_come_back(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add_everything(hub)
    hub.users["hf_user"] = User("user")
    monkeypatch.setenv("HF_TOKEN", "hf_user")
    monkeypatch.chdir(tmp_path)
    (words,), (push, predict) = PUSHED, PUBLISHED
    caches = [f"data.cache_dir={tmp_path}/data", f"model.cache_dir={tmp_path}/models"]
    assert run.main([*words, *SMALL, *SHORT, *caches]) == 0
    (folder,) = (tmp_path / "runs" / "sst2").iterdir()
    hub.repositories.pop(("models", "user/name"))
    (tmp_path / "new.csv").write_text("sentence\ngood old film\n")
    for command in (push, predict):
        given = ["finetune", *(str(folder) if word == "RUN" else word for word in command[1:])]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 2
    (code,) = set(re.findall(r"`(finetune\.load\(.*?\))`", (ROOT / "README.md").read_text()))
    model, tokenizer, masks = eval(code, {"finetune": package})
    assert masks.is_standard
    assert model(**tokenizer(["good"], return_tensors="pt")).logits.shape == (1, 2)


@pytest.mark.parametrize("words", FUNCTIONS, ids=" ".join)
def test_the_function_runs(words: list[str], tmp_path: Path) -> None:
    (code,) = (code for code in python_blocks() if "def load(" in code)
    (tmp_path / "mine.py").write_text(code)
    done = python(str(ROOT / "finetune" / "run.py"), *words, *SCRATCH, *SHORT, f"output_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.network
@pytest.mark.parametrize(
    "command", [command for command in OTHERS if command not in [*ON_OWN_DATA, *PUBLISHED]], ids=" ".join
)
def test_the_finetune_command(command: list[str], tmp_path: Path) -> None:
    done = finetune(*command[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.network
def test_the_lines_of_python_run(tmp_path: Path) -> None:
    (code,) = (code for code in python_blocks() if "finetune.train(" in code)
    write_reviews(tmp_path / "my.csv")
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{'loss': ")
    assert done.stdout.rstrip().endswith(("['5']", "['1']"))


def test_every_function_of_the_table_is_there() -> None:
    names = set(re.findall(r"finetune\.(\w+)\(", (ROOT / "README.md").read_text()))
    assert {"train", "open_run", "load", "apply_masks", "draw_mask", "explain"} <= names <= set(package.__all__)


def finetune(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return python("-c", "import sys; from finetune.cli import main; sys.exit(main())", *words, cwd=cwd)


def test_the_table_of_recipes_is_whole() -> None:
    listed = re.findall(r"^\| `(\w+)` \|.*\| (?:yes|no) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == compose.recipe_names()


def test_the_table_of_recipes_has_their_masks_and_seed() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "The seed is 42 in" in readme
    for name in compose.recipe_names():
        recipe = compose.load_recipe(name)
        (row,) = re.findall(rf"^\| `{name}` \|.*\|$", readme, re.MULTILINE)
        masks = re.split(r"(?<!\\)\|", row)[5]
        assert masks.strip().replace("\\|", "|").replace("`", "") == recipe.attention.description
        assert recipe.seed == 42


def test_the_mask_is_drawn_as_shown(tmp_path: Path) -> None:
    drawn = finetune("mask", "window(2) | global_tokens(0)", "--length", "12", cwd=tmp_path)
    assert f"```text\n{drawn.stdout.rstrip()}\n```" in (ROOT / "README.md").read_text()
