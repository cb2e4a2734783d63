"""Folders with broken models: whatever part is broken, and however, there is one message and no traceback."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2Model

import finetune
from finetune.errors import UserError
from finetune.serve.loading import find_recipe, load_predictor
from tests.serve.conftest import Finished

KINDS = [("text_classification", "bert"), ("token_classification", "t5")]
KINDS += [("text_to_text", "bert"), ("text_to_text", "t5")]
MASKS = {"attention.encoder": "window(2)"}
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

SCALARS = st.none() | st.booleans() | st.integers(-2, 300) | st.floats(-2, 2)
JSON = st.recursive(
    SCALARS | st.sampled_from(["", "a", "bert", "relu", "0", "1e400"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["", "0", "mask"]), inner, max_size=2),
    max_leaves=4,
)


def load(folder: Path) -> None:
    """Load a model in both ways; nothing but a UserError may come of it."""
    with contextlib.suppress(UserError):
        finetune.load(folder)
    with contextlib.suppress(UserError):
        load_predictor(*find_recipe(str(folder), overrides={"training.precision": "fp32"}))


@pytest.fixture(params=KINDS, ids="-".join)
def model(request: pytest.FixtureRequest, finished: Finished, tmp_path: Path) -> Path:
    """A copy of a finished run's model, without its recipe."""
    folder = finished(*request.param, **MASKS) / "model"
    return Path(shutil.copytree(folder, tmp_path / "broken", ignore=shutil.ignore_patterns("recipe.yaml")))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within a JSON value; of a long list or mapping the first ones."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [path, *(place for key, one in list(inner)[:60] for place in places(one, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    """A JSON value with another value at a place; `...` takes it out."""
    if not path:
        return None if to is ... else to
    copy = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    if len(path) == 1 and to is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(copy[path[0]], path[1:], to)
    return copy if isinstance(value, dict) else list(copy.values())


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
@FEW
@given(data=st.data())
def test_a_value_of_a_json_file_is_another_or_gone(name: str, data: st.DataObject, model: Path) -> None:
    path = model / name
    if not path.is_file():
        return
    whole = path.read_text()
    try:
        stored = json.loads(whole)
        place, to = data.draw(st.sampled_from(places(stored))), data.draw(st.just(...) | JSON)
        path.write_text(json.dumps(changed(stored, place, to)))
        load(model)
    finally:
        path.write_text(whole)


@FEW
@given(data=st.data())
def test_a_file_is_cut_or_replaced_or_gone(data: st.DataObject, model: Path) -> None:
    path = data.draw(st.sampled_from(sorted(path for path in model.iterdir() if path.is_file())))
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(st.binary(max_size=8) | st.integers(0, len(whole)).map(lambda size: whole[:size])))
        if data.draw(st.booleans()):
            path.unlink()
        load(model)
    finally:
        path.write_bytes(whole)


@FEW
@given(data=st.data())
def test_weights_are_others(data: st.DataObject, model: Path) -> None:
    path = model / "model.safetensors"
    whole = path.read_bytes()
    try:
        weights = {name: weight.clone() for name, weight in load_file(path).items()}
        name = data.draw(st.sampled_from(sorted(weights)))
        weight = weights.pop(name)
        shape = data.draw(st.lists(st.integers(0, 3), max_size=3))
        dtype = data.draw(st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool, torch.float8_e4m3fn]))
        nan = weight * float("nan")
        other = data.draw(st.sampled_from([None, torch.ones(shape), nan, weight.to(dtype), weight[None]]))
        if other is not None:
            weights[name if data.draw(st.booleans()) else f"{name}.x"] = other.contiguous()
        save_file(weights, path, metadata={"format": "pt"} if data.draw(st.booleans()) else None)
        load(model)
    finally:
        path.write_bytes(whole)


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def weights_of_another_family(folder: Path) -> None:
    GPT2Model(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9)).save_pretrained(folder / "gpt2")
    shutil.copy(folder / "gpt2" / "model.safetensors", folder)


def another_family(folder: Path) -> None:
    GPT2Config(architectures=["GPT2Model"]).save_pretrained(folder)


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a configuration that is a list": (lambda folder: (folder / "config.json").write_text("[1]"), "config.json"),
    "a configuration that is not JSON": (lambda folder: (folder / "config.json").write_text("bert"), "is not JSON"),
    "no known class": (lambda folder: (folder / "config.json").write_text('{"model_type": "x"}'), "config.json"),
    "a tokenizer that is empty": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer"),
    "a tokenizer that is a list": (lambda folder: (folder / "tokenizer.json").write_text("[]"), "tokenizer"),
    "input names that are none": (
        lambda folder: (folder / "tokenizer_config.json").write_text('{"model_input_names": [[]]}'),
        "tokenizer",
    ),
    "weights of another family": (weights_of_another_family, "are incomplete"),
    "a model of another family": (another_family, "GPT2Model"),
    "weights that are text": (lambda folder: (folder / "model.safetensors").write_text("weights"), "damaged"),
    "masks that are no program": (lambda folder: edit_config(folder, attention_masks=[1]), "attention_masks"),
    "masks nested without end": (
        lambda folder: edit_config(
            folder, attention_masks={"program": {"encoder": "(" * 100_000 + "full()" + ")" * 100_000}}
        ),
        "nested too deeply",
    ),
}


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_broken_model_is_one_message(breaks: str, model: Path) -> None:
    damage, expected = BREAKS[breaks]
    damage(model)
    for read in (finetune.load, lambda folder: load_predictor(*find_recipe(str(folder)))):
        with pytest.raises(UserError) as caught:
            read(model)
        assert expected in str(caught.value)
        assert len(str(caught.value)) < 2000
