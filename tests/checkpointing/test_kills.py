"""Runs that are killed at any moment end with the bits of one that was never killed.

`test_resume` kills at chosen events. Here SIGKILL comes from outside, whatever the run is doing. Each kind of run is
killed a few times; FINETUNE_KILLS=100 sets the number of kills over all kinds.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from finetune import compose
from finetune.checkpointing.run_folder import RunFolder
from finetune.recipe import Recipe
from finetune.run import status
from tests.checkpointing.runs import SMALL, Toy, assert_same_bits, elsewhere, only_run, small
from tests.training.processes import SECONDS, finish, free_port, start
from tests.training.test_resumed_methods import on_pretrained

MASK = {"attention.encoder": "window(2) | global_tokens(cls)"}
KINDS: Mapping[str, Callable[[Toy, Path], Recipe]] = {
    "masked_classifier": lambda toy, folder: small(toy, **MASK),
    "padded_with_averages": lambda toy, folder: small(toy, **{"training.layout": "padded", "training.ema": 0.9}),
    "schedule_free": lambda toy, folder: small(
        toy, **{"training.optimizer": "schedule_free", "training.schedule": "constant"}
    ),
    "token_classifier": lambda toy, folder: toy("token_classification", "t5", train=48, held_out=12, **SMALL),
    "text_to_text": lambda toy, folder: toy(
        "text_to_text", "t5", train=48, held_out=12, **SMALL, **{"training.optimizer": "adafactor"}
    ),
    "lora": lambda toy, folder: on_pretrained(toy, folder, "lora"),
    "two_processes": lambda toy, folder: small(toy, **{"training.batch_size": 2}),
}
KILLS = max(len(KINDS), int(os.environ.get("FINETUNE_KILLS", len(KINDS))))
"""How many kills there are over all kinds of run."""


def start_all(recipe: Recipe, log: Path, processes: int) -> list[Any]:
    """Start the processes of a run."""
    port = free_port()
    logs = [log.with_suffix(f".{rank}") for rank in range(processes)]
    return [start(lambda: status(recipe), logs[rank], rank, processes, port) for rank in range(processes)]


def killed_after(seconds: float, processes: list[Any]) -> bool:
    """Kill all processes after a time, in any order; gives whether the run had not ended before."""
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    running = [process for process in processes if process.is_alive()]
    for process in random.sample(running, len(running)):
        process.kill()
    ends = finish(*processes)
    # One that lost its neighbour may end by itself, with an error, before its own kill arrives.
    assert running or ends == [0] * len(processes)
    return any(end == -signal.SIGKILL for end in ends)


def finished_runs(recipe: Recipe) -> list[Path]:
    """Return the folders of runs that have results.

    A run that was killed before its first checkpoint is not resumed, and one that was killed when it was complete is
    followed by another, so that there may be several folders.
    """
    folders = [path for path in (recipe.output_dir / recipe.name).iterdir() if (path / "results.json").is_file()]
    assert folders
    assert all(RunFolder(folder).is_complete for folder in folders), "a run with results that is not complete goes on"
    return folders


@pytest.mark.parametrize("kind", KINDS)
def test_killed_from_outside_it_ends_with_the_same_bits(kind: str, toy: Toy, tmp_path: Path) -> None:
    if kind == "lora":
        pytest.importorskip("peft")
    recipe, log = KINDS[kind](toy, tmp_path), tmp_path / "log"
    count = 2 if kind == "two_processes" else 1
    began = time.monotonic()
    assert finish(*start_all(recipe, log, count)) == [0] * count, log.with_suffix(".0").read_text()
    duration = min(time.monotonic() - began, SECONDS / 2)
    moments = random.Random(kind)
    kills, goal = 0, KILLS // len(KINDS) + (list(KINDS).index(kind) < KILLS % len(KINDS))
    while kills < goal:
        resumed = compose.override(elsewhere(recipe, f"resumed_{kills}"), {"resume": "auto"})
        # Most runs are killed once, some several times in a row.
        while kills < goal and killed_after(moments.uniform(0, duration), start_all(resumed, log, count)):
            kills += 1
            if moments.random() < 0.7:
                break
        else:
            continue
        assert finish(*start_all(resumed, log, count)) == [0] * count, log.with_suffix(".0").read_text()
        for folder in finished_runs(resumed):
            assert_same_bits(only_run(recipe), folder)
