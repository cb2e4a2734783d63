"""Small runs that are interrupted or killed, and comparison of what runs leave behind."""

import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finetune import compose
from finetune.checkpointing import checkpoint
from finetune.checkpointing.run_folder import RunFolder
from finetune.recipe import Recipe
from finetune.run import run_recipe, status
from finetune.training import saving
from finetune.training.gradient import Gradients
from finetune.training.monitor import Monitor
from tests.training.processes import finish, free_port, start, together

Toy = Callable[..., Recipe]


SMALL: Mapping[str, Any] = {
    "training.epochs": 2,
    "training.batch_size": 4,
    "training.gradient_accumulation": 2,
    "training.eval_every": 3,
    "training.save_every": 2,
    "training.log_every": 1,
    "training.prefetch": 1,
    "training.finished_checkpoints": "all",
}
"""48 examples make 12 steps in two epochs, with dropout."""


def small(toy: Toy, **overrides: Any) -> Recipe:
    return toy("text_classification", "bert", train=48, held_out=12, **{**SMALL, **overrides})


def only_run(recipe: Recipe) -> Path:
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    return folder


def elsewhere(recipe: Recipe, name: str) -> Recipe:
    return compose.override(recipe, {"output_dir": str(recipe.output_dir.parent / name)})


def assert_same_bits(first: Path, second: Path) -> None:
    """What two finished runs left behind is the same: measures, weights, optimizer, random states, final scores."""
    weights = sorted(f"model/{path.name}" for path in (first / "model").glob("*.safetensors"))
    assert weights
    for name in ("metrics.jsonl", "predictions_test.jsonl", *weights):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    # The stored recipe, when it is run again, has changed nothing; the run that stored it may have.
    results = [json.loads((folder / "results.json").read_text()) | {"changed": None} for folder in (first, second)]
    assert results[0] == results[1]
    checkpoints = [sorted(path.name for path in (folder / "checkpoints").iterdir()) for folder in (first, second)]
    assert checkpoints[0] == checkpoints[1]
    states = [folder / "checkpoints" / checkpoints[0][-1] / "state" for folder in (first, second)]
    names = sorted(path.name for path in states[0].iterdir())
    assert names == sorted(path.name for path in states[1].iterdir())
    for name in names:
        assert_same(*(read(state / name) for state in states))


def read(path: Path) -> Any:
    if path.suffix == ".json":
        return {} if path.name == "manifest.json" else json.loads(path.read_text())
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, weights_only=False)


def assert_same(first: Any, second: Any) -> None:
    if isinstance(first, Mapping):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif hasattr(first, "tobytes"):
        assert first.tobytes() == second.tobytes()
    else:
        assert first == second


EVENTS: list[tuple[Any, str]] = [
    (Gradients, "forward_backward"),
    (RunFolder, "log"),
    (os, "fsync"),
    (checkpoint, "seal"),
    (saving, "write_model"),
    (saving, "prune_checkpoints"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "unlink"),
]
"""Where a process can be killed: in the middle of a step, and within each part of a checkpoint."""


def count_events(at: int | None) -> list[int]:
    """Count the events from now on, and kill this process at the one of number `at`."""
    seen = [0]

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            seen[0] += 1
            if seen[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return call

    for owner, name in EVENTS:
        setattr(owner, name, watched(getattr(owner, name)))
    saving.seal = checkpoint.seal  # type: ignore[attr-defined]
    return seen


def killed_at(recipe: Recipe, event: int | None) -> Callable[[], int]:
    """A run, for a process of its own, that kills itself at an event and notes how many there were."""

    def body() -> int:
        seen = count_events(event)
        result = status(recipe)
        (recipe.output_dir.parent / "events").write_text(str(seen[0]))
        return result

    return body


def killed_then_resumed(recipe: Recipe, log: Path, event: int) -> list[int]:
    """Two processes, of which the first is killed at an event; then both again. Gives the exit statuses of these."""
    port = free_port()
    first = start(killed_at(recipe, event), log, rank=0, processes=2, port=port)
    second = start(lambda: status(recipe), log.with_suffix(".second"), rank=1, processes=2, port=port)
    assert finish(first) == [-signal.SIGKILL], log.read_text()
    second.kill()  # as the launcher does
    finish(second)
    return together(lambda: status(recipe), log.parent / "logs", 2)


def interrupted(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, steps: int) -> Path:
    """Leave a run as a kill after so many steps would; gives its folder."""
    with monkeypatch.context() as patched:
        original = Monitor.after_step

        def after_step(monitor: Monitor, *arguments: Any) -> None:
            original(monitor, *arguments)
            if monitor.state.step == steps:
                raise ZeroDivisionError

        patched.setattr(Monitor, "after_step", after_step)
        with pytest.raises(ZeroDivisionError):
            run_recipe(recipe)
    return only_run(recipe)
