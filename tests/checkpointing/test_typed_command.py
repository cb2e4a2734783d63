"""The command that resumes a run is the one that was typed, and it resumes the run from where it was typed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from finetune import compose, training
from finetune.checkpointing import typed_command as module
from finetune.checkpointing.resume import command
from finetune.checkpointing.typed_command import TYPED, typed_command, with_key
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.training import saving
from finetune.training.run import prepare
from tests.checkpointing.runs import only_run, small

Toy = Callable[..., Recipe]

ROOT = Path(__file__).parents[2]
WORDS = ["recipe=sst2", "attention.encoder=window(4) | global_tokens(cls)"]
QUOTED = "recipe=sst2 'attention.encoder=window(4) | global_tokens(cls)'"


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(TYPED, raising=False)
    monkeypatch.setattr(module, "_of_launcher", lambda: ([], {}))
    module._find.cache_clear()
    yield
    module._find.cache_clear()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/venv/bin/python", "/venv/bin/finetune", "run", *WORDS], f"finetune run {QUOTED}"),
        (["/venv/bin/python", ".venv/bin/finetune", "run", *WORDS], f".venv/bin/finetune run {QUOTED}"),
        (["python", "-m", "finetune", "run", *WORDS], f"python -m finetune run {QUOTED}"),
        (["python", "finetune/run.py", *WORDS], f"python finetune/run.py {QUOTED}"),
        (["python", "../finetune/run.py", "resume=auto", *WORDS], f"python ../finetune/run.py {QUOTED}"),
    ],
)
def test_a_command_is_told_as_it_was_typed(monkeypatch: pytest.MonkeyPatch, argv: list[str], expected: str) -> None:
    monkeypatch.setattr(sys, "orig_argv", argv)
    monkeypatch.setattr(shutil, "which", lambda name: f"/venv/bin/{name}" if name == "finetune" else None)
    told = command(compose.compose(["recipe=sst2"]), Path("runs/sst2/now"), 1)
    assert told == f"{expected} resume=runs/sst2/now"


@pytest.mark.parametrize(
    ("environment", "variables"),
    [({}, ""), ({"ACCELERATE_USE_CPU": "true", "HOME": "/root"}, "ACCELERATE_USE_CPU=true ")],
)
def test_a_launcher_is_named_with_its_flags(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], variables: str
) -> None:
    launch = ["/venv/bin/python3", "/venv/bin/accelerate", "launch", "--num_processes", "2", "finetune/run.py", *WORDS]
    monkeypatch.setattr(module, "_of_launcher", lambda: (launch, environment))
    monkeypatch.setattr(shutil, "which", lambda name: f"/venv/bin/{name}")
    told = command(compose.compose(["recipe=sst2"]), Path("my runs/now"), 2)
    assert told == f"{variables}accelerate launch --num_processes 2 finetune/run.py {QUOTED} 'resume=my runs/now'"


def test_scripts_run_is_named_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TYPED, "scripts/run --num_processes 2 recipe=sst2")
    told = command(compose.compose(["recipe=sst2"]), Path("runs/now"), 2)
    assert told == "scripts/run --num_processes 2 recipe=sst2 resume=runs/now"


@pytest.mark.parametrize("argv", [["python", "mine.py", "run"], ["python", "-m", "pytest"], ["python", "-c", "run.py"]])
def test_other_programs_typed_no_command(monkeypatch: pytest.MonkeyPatch, argv: list[str]) -> None:
    monkeypatch.setattr(sys, "orig_argv", argv)
    assert typed_command() is None


def test_a_key_is_set_once() -> None:
    assert with_key(["finetune", "run", "resume=a"], "resume", "b c") == "finetune run 'resume=b c'"


def in_shell(line: str, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def interrupted_by_hand(words: Sequence[str], cwd: Path, environment: dict[str, str]) -> str:
    """Standard error of a command that gets Ctrl-C once it has saved something."""
    with subprocess.Popen(
        words, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        told = ""
        for line in process.stderr:
            told += line
            if line.startswith("epoch 1/"):
                os.killpg(process.pid, signal.SIGINT)
    return told


LAUNCH = ["accelerate", "launch", "--cpu", "--num_processes", "1", "--num_machines", "1", "--dynamo_backend", "no"]


@pytest.mark.parametrize(
    "start",
    [["python", "-m", "finetune", "run"], [*LAUNCH, "--mixed_precision", "no", str(ROOT / "finetune" / "run.py")]],
    ids=["finetune", "accelerate"],
)
def test_the_line_that_is_printed_resumes_the_run(start: list[str], toy: Toy, tmp_path: Path) -> None:
    """From the folder in which the first one was typed, with paths relative to it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    recipe = small(toy, **{"training.epochs": 3, "training.fp32_matmul": "default"})
    (tmp_path / "small.yaml").write_text(compose.to_yaml(recipe))
    words = [*start, "recipe=small.yaml", "output_dir=mine", "data.path=data"]
    told = interrupted_by_hand(words, tmp_path, environment)
    lines = [line.strip() for line in told.splitlines()]
    (again,) = [line for line in lines if " resume=" in line]
    (folder,) = (tmp_path / "mine" / "toy").iterdir()
    expected = " ".join([*start, "recipe=small.yaml", "output_dir=mine", "data.path=data"])
    assert again == f"{expected} resume=mine/toy/{folder.name}"
    done = in_shell(again, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert "resuming after step " in done.stderr
    assert (folder / "results.json").is_file()


@pytest.mark.parametrize("error", [UserError("memory does not suffice"), RuntimeError("a bug")])
def test_an_error_says_how_to_resume_once_something_is_saved(
    error: Exception, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "finetune", "run", "recipe=mine.yaml"])
    saved = iter([False, True])

    def save(loop: object) -> None:
        original(loop)  # type: ignore[arg-type]
        if next(saved):
            raise error

    original = saving.save
    monkeypatch.setattr("finetune.training.monitor.save", save)
    recipe = small(toy)
    with pytest.raises(type(error)) as caught:
        training.fit(prepare(recipe))
    line = f"python -m finetune run recipe=mine.yaml resume={only_run(recipe)}"
    told = str(caught.value) if isinstance(error, UserError) else caught.value.__notes__[0]
    assert told.endswith(line)


def test_an_error_before_anything_is_saved_has_nothing_to_resume(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise UserError("the loss is not finite")

    monkeypatch.setattr("finetune.training.loop.Loop.step", fails)
    with pytest.raises(UserError, match="not finite") as caught:
        training.fit(prepare(small(toy)))
    assert caught.value.resume is None
