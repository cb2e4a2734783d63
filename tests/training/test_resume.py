"""A run that was killed ends with the bits of one that was not."""

import json
import os
import random
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from finetune import compose
from finetune.recipe import Recipe
from finetune.run import status
from finetune.training import checkpoint, saving
from finetune.training.gradient import Gradients
from finetune.training.run_folder import RunFolder
from tests.training.processes import finish, start

Toy = Callable[..., Recipe]

KILLS = 4
SMALL: Mapping[str, Any] = {
    "training.epochs": 2,
    "training.batch_size": 4,
    "training.gradient_accumulation": 2,
    "training.eval_every": 3,
    "training.save_every": 2,
    "training.log_every": 1,
    "training.prefetch": 1,
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
    for name in ("metrics.jsonl", "results.json", "predictions_test.jsonl", "model/model.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
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
    (Gradients, "_backward"),
    (RunFolder, "log"),
    (os, "fsync"),
    (checkpoint, "seal"),
    (saving, "write_model"),
    (saving, "prune"),
    (Path, "rename"),
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


def test_killed_at_random_moments_it_ends_with_the_same_bits(toy: Toy, tmp_path: Path) -> None:
    recipe = small(toy)
    log = tmp_path / "log"
    assert finish(start(killed_at(recipe, None), log)) == [0], log.read_text()
    events = int((tmp_path / "events").read_text())
    generator = random.Random(0)
    resumed = compose.override(elsewhere(recipe, "resumed"), {"resume": "auto"})
    for _ in range(KILLS):
        (ended,) = finish(start(killed_at(resumed, generator.randrange(1, 2 * events // KILLS)), log))
        assert ended in (0, -signal.SIGKILL), log.read_text()
        if not ended:
            break
    else:
        assert finish(start(lambda: status(resumed), log)) == [0], log.read_text()
    assert_same_bits(only_run(recipe), only_run(resumed))
