"""What is measured goes to trackers too."""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers

from finetune import compose
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.training.run import prepare
from finetune.training.trackers import FOLDER, check_trackers, flat, start_trackers

Toy = Callable[..., Recipe]
Entries = dict[tuple[int, str], float]
"""What a tracker holds, by step and name."""


def in_tensorboard(folder: Path) -> Entries:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (written,) = {path.parent for path in (folder / FOLDER).rglob("events.*") if path.parent.name == "toy"}
    stored = events.EventAccumulator(str(written))
    stored.Reload()
    return {(event.step, name): event.value for name in stored.Tags()["scalars"] for event in stored.Scalars(name)}


def in_wandb(folder: Path) -> Entries:
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    (written,) = Path().rglob("*.wandb")
    found: Entries = {}
    runs = []
    for each in log_records(written.read_bytes()):
        record = messages.Record()
        record.ParseFromString(each)
        if record.WhichOneof("record_type") == "run":
            runs.append((record.run.project, record.run.display_name))
        for item in record.history.item:
            name = item.key or ".".join(item.nested_key)
            found[record.history.step.num, name] = float(json.loads(item.value_json))
    assert runs == [("toy", folder.name)]
    return found


def log_records(data: bytes) -> Iterator[bytes]:
    """Records of LevelDB's log format, which wandb's files have after 7 bytes of their own."""
    at, record = 7, b""
    while at + 7 <= len(data):
        if (rest := 2**15 - at % 2**15) < 7:  # no record begins in the last bytes of a block
            at += rest
            continue
        length, kind = struct.unpack("<4xHB", data[at : at + 7])
        at += 7 + length
        record += data[at - length : at]
        if kind in (1, 4):  # whole, or its last part
            yield record
            record = b""


def in_mlflow(folder: Path) -> Entries:
    client = pytest.importorskip("mlflow").MlflowClient()
    (stored,) = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert (stored.info.run_name, stored.info.status) == (folder.name, "FINISHED")
    assert stored.data.params["training.steps"] == "4"
    identifier = stored.info.run_id
    names = stored.data.metrics
    return {(entry.step, name): entry.value for name in names for entry in client.get_metric_history(identifier, name)}


def in_trackio(folder: Path) -> Entries:
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    assert storage.get_runs("toy") == [folder.name]
    assert storage.get_run_config("toy", folder.name)["training.steps"] == 4
    logs = storage.get_logs("toy", folder.name)
    return {(log["step"], name): value for log in logs for name, value in log.items() if name != "step"}


READERS: Mapping[str, Callable[[Path], Entries]] = {
    "tensorboard": in_tensorboard,
    "wandb": in_wandb,
    "mlflow": in_mlflow,
    "trackio": in_trackio,
}


@pytest.mark.parametrize("name", READERS)
def test_a_tracker_holds_what_metrics_jsonl_holds(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Without a service: wandb offline, the others in files."""
    environment = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db", "TRACKIO_DIR": str(tmp_path / "trackio")}
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)
    pytest.importorskip(name)
    overrides = {"training.steps": 4, "training.log_every": 2, "training.trackers": [name]}
    recipe = toy("text_classification", "bert", train=64, held_out=8, **overrides)
    run_recipe(recipe)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    expected = {
        (line["step"], key): value for line in lines for key, value in line.items() if key not in ("step", "epoch")
    }
    found = READERS[name](folder)
    assert expected.keys() <= found.keys()
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert (4, "test_accuracy") in found


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_missing_package_is_named(toy: Toy, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.training.trackers.get_available_trackers", list)
    recipe = toy("text_classification", "bert", train=8, held_out=4, **{"training.trackers": [name]})
    with pytest.raises(UserError, match=rf"finetune-masks\[{name}\]"):
        prepare(recipe)


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """wandb leaves one where it runs, and Python would import it."""
    if name in map(str, get_available_trackers()):
        pytest.skip(f"{name} is installed")
    (tmp_path / name).mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="not installed"):
        check_trackers([name])


def test_an_unknown_tracker_is_told(toy: Toy) -> None:
    with pytest.raises(UserError, match=r"training\.trackers\[0\] is wrong"):
        toy("text_classification", "bert", train=8, held_out=4, **{"training.trackers": ["tensorbord"]})


def test_a_tracker_that_does_not_begin_is_told(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no account")

    monkeypatch.setattr(Accelerator, "init_trackers", refuse)
    recipe = toy("text_classification", "bert", train=8, held_out=4)
    recipe = compose.override(recipe, {"training.trackers": ["tensorboard"]})
    with pytest.raises(UserError, match="a tracker cannot be started") as caught:
        start_trackers(Accelerator(cpu=True), recipe, tmp_path)
    assert "no account" in str(caught.value)


def test_a_tracker_that_fails_later_ends_no_run(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("no answer")

    logged: list[Any] = []
    well = SimpleNamespace(name="well", log=lambda *given, **_: logged.append(given), finish=lambda: None)
    accelerator = Accelerator(cpu=True)
    accelerator.trackers = [SimpleNamespace(name="ill", log=gone, finish=gone), well]
    monkeypatch.setattr(Accelerator, "init_trackers", lambda *_: None)
    recipe = toy("text_classification", "bert", train=8, held_out=4)
    start_trackers(accelerator, compose.override(recipe, {"training.trackers": ["tensorboard"]}), tmp_path)
    for step in (1, 2):
        accelerator.log({"train_loss": 0.5}, step=step)
    accelerator.end_training()
    assert logged == [({"train_loss": 0.5},)] * 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("ill misses what metrics.jsonl holds: ConnectionError: no answer") == 1


def test_recipes_are_flat_for_trackers(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=8, held_out=4)
    values = flat(recipe.model_dump(mode="json"))
    assert values["training.learning_rate"] == recipe.training.learning_rate
    assert values["model.name"] == "None"
    assert flat({"weights": {"a, b": 2.0, "c": 1.0}}) == {"weights": "{'a, b': 2.0, 'c': 1.0}"}
    assert all(isinstance(value, int | float | str | bool) for value in values.values())
