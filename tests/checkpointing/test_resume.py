"""A run that was killed ends with the bits of one that was not."""

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from finetune import compose, training
from finetune.checkpointing.resume import CHOSEN, HARMLESS, differences
from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.run import run_recipe, status
from finetune.training import saving
from finetune.training.evaluation import EvaluationResult
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.checkpointing.runs import (
    assert_same_bits,
    elsewhere,
    interrupted,
    killed_at,
    killed_then_resumed,
    only_run,
    small,
)
from tests.training.processes import finish, start, together

Toy = Callable[..., Recipe]

KILLS = 4


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


def test_two_processes_go_on_with_the_same_bits(toy: Toy, tmp_path: Path) -> None:
    recipe = small(toy, **{"training.batch_size": 2, "training.epochs": 1, "training.ema": 0.9})
    assert together(lambda: status(recipe), tmp_path / "logs", 2) == [0, 0]
    resumed = compose.override(elsewhere(recipe, "resumed"), {"resume": "auto"})
    statuses = killed_then_resumed(resumed, tmp_path / "log", event=50)
    assert statuses == [0, 0], (tmp_path / "logs" / "0.log").read_text()
    assert "resuming after step" in (tmp_path / "logs" / "0.log").read_text()
    assert_same_bits(only_run(recipe), only_run(resumed))
    assert (only_run(recipe) / "checkpoints" / "step-000006" / "state" / "process_1.pt").is_file()


def test_a_damaged_checkpoint_is_not_used(
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
    assert "step-000006 is damaged and not used" in said
    assert "resuming after step 4 of 12" in said
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
    monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: next(evaluated))
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
