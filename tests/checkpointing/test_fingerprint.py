"""A run goes on with the data and the model that it began with, or says what changed."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from finetune import compose, models
from finetune.checkpointing import checkpoint
from finetune.checkpointing.fingerprint import check_fingerprint, take_fingerprint
from finetune.data.features import Column, Features
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import main, run_recipe
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.checkpointing.runs import SMALL, assert_same_bits, elsewhere, interrupted, killed_then_resumed, small
from tests.training.processes import together

Toy = Callable[..., Recipe]


def change_a_word(path: Path) -> None:
    lines = path.read_text().splitlines()
    row = json.loads(lines[3])
    lines[3] = json.dumps(row | {"text": f"story {row['text']}"})
    path.write_text("\n".join(lines) + "\n")


def change_a_label(path: Path) -> None:
    lines = path.read_text().splitlines()
    row = json.loads(lines[3])
    lines[3] = json.dumps(row | {"label": {"good": "bad", "bad": "good"}[row["label"]]})
    path.write_text("\n".join(lines) + "\n")


def change_the_order(path: Path) -> None:
    path.write_text("\n".join(reversed(path.read_text().splitlines())) + "\n")


def drop_half(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[: len(lines) // 2]) + "\n")


def shared_state(folder: Path) -> Path:
    """The newest checkpoint's state.json."""
    return checkpoint.newest_first(folder / "checkpoints")[0] / "state" / "state.json"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def refused(recipe: Recipe, folder: Path) -> UserError:
    """What a run says that cannot go on; nothing of it may change."""
    before = contents(folder)
    with pytest.raises(UserError, match="changed since the run") as caught:
        Loop(prepare(compose.override(recipe, {"resume": str(folder)})))
    assert contents(folder) == before
    assert "start a new run without resume=" in str(caught.value.fix)
    return caught.value


@pytest.mark.parametrize("change", [change_a_word, change_a_label, change_the_order, drop_half])
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_changed_data_are_told(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, split: str, change: Callable[[Path], None]
) -> None:
    # The vocabulary has all words of the filler whatever the rows: the tokenizer stays the same.
    recipe = small(toy, **pretrained_of(toy))
    folder = interrupted(recipe, monkeypatch, 4)
    rows = Path(str(recipe.data.path)) / f"{split}.jsonl"
    original = rows.read_bytes()
    change(rows)
    error = refused(recipe, folder)
    assert error.problem.startswith("the data changed since the run")
    assert error.where == split
    number = len(original.splitlines())
    assert f"{split}: {number} inputs" in str(error.expected)
    assert f"{split}: {number // 2 if change is drop_half else number} inputs" in str(error.found)
    rows.write_bytes(original)
    assert Loop(prepare(compose.override(recipe, {"resume": str(folder)}))).state.step == 4


def pretrained_of(toy: Toy) -> dict[str, object]:
    """Overrides that start from a saved model and tokenizer, which do not depend on the rows."""
    recipe = toy("text_classification", "bert", train=48, held_out=12, **SMALL)
    base = recipe.output_dir.parent / "base"
    run = prepare(compose.override(recipe, {"output_dir": str(base / "runs")}))
    models.save_weights(run.model, base)
    run.context.tokenizer.save_pretrained(base)
    return {"model.scratch": None, "model.name": str(base)}


def other_weights(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    name = min(weights)
    weights[name] = weights[name].clone()
    weights[name].view(-1)[0] += 1
    save_file(weights, base / "model.safetensors", {"format": "pt"})


def other_configuration(base: Path) -> None:
    path = base / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layer_norm_eps": 1e-5}))


def other_tokenizer(base: Path) -> None:
    """Its rules change, not what it makes of these lower-case rows."""
    path = base / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": {"type": "Lowercase"}}))


@pytest.mark.parametrize(
    ("change", "part"),
    [(other_weights, "weights"), (other_configuration, "configuration"), (other_tokenizer, "tokenizer")],
)
def test_a_changed_model_is_told(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], part: str
) -> None:
    recipe = small(toy, **pretrained_of(toy))
    folder = interrupted(recipe, monkeypatch, 4)
    change(Path(str(recipe.model.name)))
    error = refused(recipe, folder)
    assert error.problem.startswith("the starting model changed since the run")
    assert error.where == part
    assert "restore the starting model" in str(error.fix)


def test_a_moved_model_is_the_same_model(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = pretrained_of(toy)
    first = prepare(small(toy, **overrides)).fingerprint
    moved = Path(str(overrides["model.name"])).rename(small(toy).output_dir.parent / "moved")
    assert prepare(small(toy, **overrides | {"model.name": str(moved)})).fingerprint == first


def test_several_changes_are_told_at_once(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy, **pretrained_of(toy))
    folder = interrupted(recipe, monkeypatch, 4)
    change_a_word(Path(str(recipe.data.path)) / "dev.jsonl")
    other_weights(Path(str(recipe.model.name)))
    error = refused(recipe, folder)
    assert error.problem.startswith("the data and the starting model changed")
    assert error.where == "dev, weights"


def test_a_change_ends_the_command_with_status_2(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 4)
    change_a_word(Path(str(recipe.data.path)) / "train.jsonl")
    assert main([f"recipe={folder / 'recipe.yaml'}", "resume=auto"]) == 2
    said = capsys.readouterr().err
    assert "error: the data" in said
    assert "Traceback" not in said


def test_a_run_without_a_checkpoint_begins_with_what_is_there(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 1)
    change_a_word(Path(str(recipe.data.path)) / "train.jsonl")
    assert Loop(prepare(compose.override(recipe, {"resume": str(folder)}))).state.step == 0


def test_a_checkpoint_of_an_older_version_goes_on(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 4)
    path = shared_state(folder)
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "fingerprint"})
    )
    checkpoint.seal(path.parent.parent)
    loop = Loop(prepare(compose.override(recipe, {"resume": str(folder)})))
    assert loop.state.step == 4
    assert "step-000004 has no checksums of the data and the model" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("kind", ["streaming", "mixed"])
def test_streamed_and_mixed_data_are_compared(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    recipe = small(toy, **pretrained_of(toy))
    path = str(recipe.data.path)
    mixed = [{"path": path, "weight": 2.0}, {"path": path, "weight": 1.0}]
    changes = {"data.streaming": True} if kind == "streaming" else {"data.sources": mixed, "data.path": None}
    recipe = compose.override(recipe, changes)
    folder = interrupted(recipe, monkeypatch, 4)
    assert Loop(prepare(compose.override(recipe, {"resume": str(folder)}))).state.step == 4
    change_a_word(Path(path) / "train.jsonl")
    assert refused(recipe, folder).where == "train"


def test_two_processes_are_told_together(toy: Toy, tmp_path: Path) -> None:
    recipe = small(toy, **{"training.batch_size": 2, "training.epochs": 1})
    resumed = compose.override(recipe, {"resume": "auto"})
    assert killed_then_resumed(resumed, tmp_path / "log", event=50) == [0, 0]
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    (folder / "results.json").unlink()
    change_a_word(Path(str(recipe.data.path)) / "train.jsonl")
    words = [f"recipe={folder / 'recipe.yaml'}", f"resume={folder}"]
    assert together(lambda: main(words), tmp_path / "logs", 2) == [2, 2]
    assert "the data" in (tmp_path / "logs" / "0.log").read_text()


def test_restored_data_go_on_with_the_same_bits(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy)
    run_recipe(recipe)
    (whole,) = (recipe.output_dir / recipe.name).iterdir()
    told = elsewhere(recipe, "told")
    folder = interrupted(told, monkeypatch, 6)
    rows = Path(str(recipe.data.path)) / "train.jsonl"
    original = rows.read_bytes()
    drop_half(rows)
    refused(told, folder)
    rows.write_bytes(original)
    run_recipe(compose.override(told, {"resume": str(folder)}))
    assert_same_bits(whole, folder)


def features(generator: random.Random, rows: int = 9) -> Features:
    lengths = [generator.randint(1, 5) for _ in range(rows)]
    ids = np.array([generator.randrange(100) for _ in range(sum(lengths))], dtype=np.int32)
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    columns = {"input_ids": Column(ids, offsets), "length": Column(np.array(lengths, dtype=np.int64))}
    return Features(columns, rows)


def test_every_number_of_every_row_counts(toy: Toy) -> None:
    run = prepare(small(toy))

    def of(one: Features) -> str:
        return take_fingerprint({"train": one}, run.context.labels, run.model, run.context.tokenizer)["train"]

    one = features(random.Random(0))
    first = of(one)
    assert of(features(random.Random(0))) == first
    ids, offsets = one.columns["input_ids"].values, one.columns["input_ids"].offsets
    assert offsets is not None
    for place in range(len(ids)):
        ids[place] += 1
        assert of(one) != first
        ids[place] -= 1
    offsets[3] += 1  # a token goes to the row before
    assert of(one) != first
    offsets[3] -= 1
    assert of(one) == first


def test_every_weight_counts(toy: Toy) -> None:
    run = prepare(small(toy))

    def now() -> str:
        return take_fingerprint({}, None, run.model, run.context.tokenizer)["weights"]

    first = now()
    for weight in run.model.parameters():
        with torch.no_grad():
            weight.view(-1)[-1] += 1
            assert now() != first
            weight.view(-1)[-1] -= 1


def test_other_packages_are_named_with_the_difference() -> None:
    changed = ["transformers was 5.1 and is 5.2 now"]
    with pytest.raises(UserError) as caught:
        check_fingerprint({"weights": "a"}, {"weights": "b"}, run="runs/a", changed_packages=changed)
    assert "other packages than before: transformers was 5.1 and is 5.2 now" in str(caught.value.found)
    check_fingerprint({"weights": "a"}, {"weights": "a"}, run="runs/a", changed_packages=changed)
