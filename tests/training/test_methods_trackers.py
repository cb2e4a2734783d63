"""What is measured goes to trackers too."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from accelerate import Accelerator

from finetune import compose
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import run
from finetune.training.job import prepare
from finetune.training.trackers import FOLDER, flat, start_trackers

Toy = Callable[..., Recipe]


def test_event_files_hold_what_metrics_jsonl_holds(toy: Toy) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    overrides = {"training.steps": 4, "training.log_every": 2, "training.trackers": ["tensorboard"]}
    recipe = toy("text_classification", "bert", train=64, held_out=8, **overrides)
    run(recipe)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    (written,) = {path.parent for path in (folder / FOLDER).rglob("events.*") if path.parent.name == recipe.name}
    stored = events.EventAccumulator(str(written))
    stored.Reload()
    found = {(event.step, name): event.value for name in stored.Tags()["scalars"] for event in stored.Scalars(name)}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    expected = {
        (line["step"], name): value for line in lines for name, value in line.items() if name not in ("step", "epoch")
    }
    assert expected.keys() <= found.keys()
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert (4, "test_accuracy") in found


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_missing_package_is_named(toy: Toy, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    recipe = toy("text_classification", "bert", train=8, held_out=4, **{"training.trackers": [name]})
    with pytest.raises(UserError, match=rf"finetune-masks\[{name}\]"):
        prepare(recipe)


def test_an_unknown_tracker_is_told(toy: Toy) -> None:
    with pytest.raises(UserError, match=r"training\.trackers\.0 is wrong"):
        toy("text_classification", "bert", train=8, held_out=4, **{"training.trackers": ["tensorbord"]})


def test_a_tracker_that_does_not_begin_is_told(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no account")

    monkeypatch.setattr(Accelerator, "init_trackers", refuse)
    monkeypatch.setitem(sys.modules, "tensorboard", ModuleType("tensorboard"))
    recipe = toy("text_classification", "bert", train=8, held_out=4)
    recipe = compose.override(recipe, {"training.trackers": ["tensorboard"]})
    with pytest.raises(UserError, match="a tracker does not begin") as caught:
        start_trackers(Accelerator(cpu=True), recipe, tmp_path)
    assert "no account" in str(caught.value)


def test_recipes_are_flat_for_trackers(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=8, held_out=4)
    values = flat(recipe.model_dump(mode="json"))
    assert values["training.learning_rate"] == recipe.training.learning_rate
    assert values["model.name"] == "None"
    assert all(isinstance(value, int | float | str | bool) for value in values.values())
