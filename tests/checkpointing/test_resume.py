"""A run that was killed ends with the bits of one that was not."""

import json
import os
import random
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from finetune import compose, training
from finetune.checkpointing import checkpoint
from finetune.checkpointing.resume import CHOSEN, HARMLESS, differences
from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.run import run_recipe, status
from finetune.training import saving
from finetune.training.evaluation import EvaluationResult
from finetune.training.gradient import Gradients
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.training.processes import finish, free_port, start, together

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
    for name in ("metrics.jsonl", "results.json", "predictions_test.jsonl", *weights):
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
    (Gradients, "forward_backward"),
    (RunFolder, "log"),
    (os, "fsync"),
    (checkpoint, "seal"),
    (saving, "write_model"),
    (saving, "prune_checkpoints"),
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


def killed_then_resumed(recipe: Recipe, log: Path, event: int) -> list[int]:
    """Two processes, of which the first is killed at an event; then both again. Gives the exit statuses of these."""
    port = free_port()
    first = start(killed_at(recipe, event), log, rank=0, processes=2, port=port)
    second = start(lambda: status(recipe), log.with_suffix(".second"), rank=1, processes=2, port=port)
    assert finish(first) == [-signal.SIGKILL], log.read_text()
    second.kill()  # as the launcher does
    finish(second)
    return together(lambda: status(recipe), log.parent / "logs", 2)


def test_two_processes_go_on_with_the_same_bits(toy: Toy, tmp_path: Path) -> None:
    recipe = small(toy, **{"training.batch_size": 2, "training.epochs": 1, "training.ema": 0.9})
    assert together(lambda: status(recipe), tmp_path / "logs", 2) == [0, 0]
    resumed = compose.override(elsewhere(recipe, "resumed"), {"resume": "auto"})
    statuses = killed_then_resumed(resumed, tmp_path / "log", event=50)
    assert statuses == [0, 0], (tmp_path / "logs" / "0.log").read_text()
    assert "going on after step" in (tmp_path / "logs" / "0.log").read_text()
    assert_same_bits(only_run(recipe), only_run(resumed))
    assert (only_run(recipe) / "checkpoints" / "step-000006" / "state" / "process_1.pt").is_file()


def interrupted(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, steps: int) -> Path:
    """Leave a run as a kill after so many steps would; gives its folder."""
    with monkeypatch.context() as patched:
        original = Loop._after_step

        def after_step(loop: Loop, *arguments: Any) -> None:
            original(loop, *arguments)
            if loop.state.step == steps:
                raise ZeroDivisionError

        patched.setattr(Loop, "_after_step", after_step)
        with pytest.raises(ZeroDivisionError):
            run_recipe(recipe)
    return only_run(recipe)


def test_a_damaged_checkpoint_is_left_out(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 6)
    newest = folder / "checkpoints" / "step-000006" / "state" / "optimizer.bin"
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    loop = Loop(prepare(compose.override(recipe, {"resume": str(folder)})))
    assert loop.state.step == 4
    said = " ".join(capsys.readouterr().err.split())
    assert "step-000006 is damaged and left out" in said
    assert "going on after step 4 of 12" in said
    assert [json.loads(line)["step"] for line in RunFolder(folder).metrics.read_text().splitlines()][-1] == 4


def test_without_a_checkpoint_it_begins_again(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 1)
    loop = Loop(prepare(compose.override(recipe, {"resume": "auto"})))
    assert loop.run.folder.path == folder
    assert loop.state.step == 0
    assert RunFolder(folder).metrics.read_text() == ""


def test_the_newest_and_the_best_are_kept(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.9, 0.1, 0.2, 0.3])
    evaluated = (EvaluationResult(Scores(values={"accuracy": value}), 1.0, ()) for value in values)
    monkeypatch.setattr("finetune.training.loop.evaluate", lambda *_, **__: next(evaluated))
    loop = training.fit(prepare(small(toy, **{"training.keep_checkpoints": 2})))
    kept = {path.name: (path / "state").is_dir() for path in loop.run.folder.checkpoints.iterdir()}
    assert kept == {"step-000003": False, "step-000010": True, "step-000012": True}
    assert loop.best_checkpoint.name == "step-000003"
    assert (loop.best_checkpoint / "model.safetensors").is_file()


def test_auto_starts_anew_where_nothing_is_unfinished(toy: Toy) -> None:
    recipe = small(toy, resume="auto", **{"training.epochs": 1})
    for runs in (1, 2):
        run_recipe(recipe)
        assert len(list((recipe.output_dir / recipe.name).iterdir())) == runs


def test_a_changed_recipe_does_not_go_on(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 2)
    changed = compose.override(recipe, {"training.learning_rate": 1e-5, "training.epochs": 5})
    with pytest.raises(UserError) as caught:
        prepare(compose.override(changed, {"resume": str(folder)}))
    assert "training.learning_rate=0.002" in str(caught.value.expected)
    assert "training.learning_rate=1e-05" in str(caught.value.found)
    assert caught.value.where == "training.epochs, training.learning_rate"
    run = prepare(compose.override(changed, {"resume": "auto"}))
    assert run.folder.path != folder
    assert "not of this recipe (training.epochs=2 there, 5 here" in capsys.readouterr().err


def test_harmless_changes_go_on(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 2)
    changes = {"training.log_every": 7, "evaluation.tokens_per_batch": 99, "training.keep_checkpoints": 5}
    run = prepare(compose.override(recipe, {"resume": str(folder), **changes}))
    assert run.resumed
    assert run.recipe.training.log_every == 7


def test_harmless_keys_are_keys() -> None:
    assert {*HARMLESS, *CHOSEN} <= set(compose.keys())


def test_what_the_machine_chose_stays(toy: Toy) -> None:
    asked = small(toy, **{"training.precision": "auto", "training.fp32_matmul": "auto"})
    chosen = compose.override(asked, {"training.precision": "bf16", "training.fp32_matmul": "onednn"})
    assert differences(chosen, asked) == []
    assert differences(asked, chosen) != []


def test_a_run_at_work_is_let_alone(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 2)
    with FileLock(folder / ".lock"):
        with pytest.raises(UserError, match="at work"):
            prepare(compose.override(recipe, {"resume": str(folder)}))
        assert prepare(compose.override(recipe, {"resume": "auto"})).folder.path != folder
        assert f"at work in another process: {folder}" in capsys.readouterr().err


def test_a_folder_without_a_run_is_told(toy: Toy, tmp_path: Path) -> None:
    recipe = small(toy)
    for path, found in ((tmp_path, "no recipe.yaml in it"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(UserError, match="not the folder of a run") as caught:
            prepare(compose.override(recipe, {"resume": str(path)}))
        assert caught.value.found == found


def test_a_finished_run_and_another_number_of_processes_are_told(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 2)
    run = prepare(compose.override(recipe, {"resume": str(folder)}))
    loop = Loop(run)
    with monkeypatch.context() as patched:
        patched.setattr(type(run.accelerator), "num_processes", 3)
        patched.setattr(saving, "broadcast_object_list", lambda objects: objects)
        with pytest.raises(UserError, match="another number of processes") as caught:
            saving.restore(loop)
    assert (caught.value.expected, caught.value.found) == ("1 processes", "3")
    (folder / "results.json").write_text("{}")
    with pytest.raises(UserError, match="is finished"):
        prepare(compose.override(recipe, {"resume": str(folder)}))
