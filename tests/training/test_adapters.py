"""Runs that train an adapter: saved alone, read back, merged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune import compose, models
from finetune.errors import UserError
from finetune.recipe import Adapter, Model, Recipe
from finetune.run import run_recipe
from finetune.training.loop import fit
from finetune.training.results import finish_run
from finetune.training.run import Run, prepare

pytest.importorskip("peft")

Toy = Callable[..., Recipe]
PAIRS = [("text_classification", "bert"), ("text_classification", "t5"), ("token_classification", "bert")]
PAIRS += [("token_classification", "t5"), ("text_to_text", "t5")]
WINDOW = {"attention.encoder": "window(2)"}


@pytest.fixture
def pretrained_toy(toy: Toy, tmp_path: Path) -> Toy:
    """A recipe like `toy`, over a saved model with random weights."""

    def make(kind: str, architecture: str, **overrides: Any) -> Recipe:
        recipe = toy(kind, architecture, train=48, held_out=12)
        run = prepare(compose.override(recipe, {"output_dir": str(tmp_path / "base_runs")}))
        base = tmp_path / "base"
        models.save_weights(run.model, base)
        run.context.tokenizer.save_pretrained(base)
        start = {"model.scratch": None, "model.name": str(base), "training.steps": 3, "training.eval_every": 3}
        return compose.override(recipe, start | overrides)

    return make


def probabilities(run: Run, model: Any) -> Tensor:
    (batch,) = run.batches("test", [torch.arange(4).numpy()])
    with torch.inference_mode():
        logits: Tensor = model.eval()(**batch.source).logits
    return logits


def only_run(recipe: Recipe) -> Path:
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    return folder


@pytest.mark.parametrize("adapter", ["lora", "ia3"])
@pytest.mark.parametrize(("kind", "architecture"), PAIRS)
def test_an_adapter_and_the_head_alone_move_and_are_saved(
    pretrained_toy: Toy, kind: str, architecture: str, adapter: str
) -> None:
    run = prepare(pretrained_toy(kind, architecture, **{"adapter.kind": adapter} | WINDOW))
    assert run.context.ragged
    trained = {name for name, weight in run.model.named_parameters() if weight.requires_grad}
    assert all(adapter in name or "modules_to_save" in name for name in trained)
    before = {name: weight.detach().clone() for name, weight in run.model.named_parameters()}
    loop = fit(run)
    moved = {name for name, weight in run.model.named_parameters() if not torch.equal(before[name], weight.detach())}
    assert moved
    assert moved <= trained
    files = {path.name for path in loop.best_checkpoint.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "config.json", "tokenizer.json"} <= files
    assert "model.safetensors" not in files
    saved = load_file(loop.best_checkpoint / "adapter_model.safetensors")
    assert sum(tensor.numel() for tensor in saved.values()) < sum(w.numel() for w in before.values()) / 4
    finish_run(loop)
    folder = run.folder.model
    again = models.load_model(
        Model(name=str(folder)), run.task.head, run.context.tokenizer, labels=run.context.labels, seed=9
    )
    assert models.is_adapted(again)
    again_saved = load_file(folder / "adapter_model.safetensors")
    assert all(torch.equal(saved[name], again_saved[name]) for name in saved)


def test_a_merged_adapter_is_a_plain_model_with_the_same_scores(pretrained_toy: Toy) -> None:
    results = []
    for merge in (False, True):
        recipe = pretrained_toy("text_classification", "bert", **{"adapter.kind": "lora", "adapter.merge": merge})
        recipe = compose.override(recipe, {"name": f"merge_{merge}"})
        results.append((run_recipe(recipe), only_run(recipe) / "model"))
    (alone, folder), (merged, plain) = results
    assert merged == pytest.approx(alone, rel=1e-4)
    assert not (plain / "adapter_config.json").exists()
    loaded = AutoModelForSequenceClassification.from_pretrained(plain)
    tokenizer = AutoTokenizer.from_pretrained(plain)
    inputs = tokenizer("this film was great", return_tensors="pt")
    found = models.load_model(Model(name=str(folder)), "text_classification", tokenizer, labels=("bad", "good"), seed=0)
    torch.testing.assert_close(loaded(**inputs).logits, found(**inputs).logits, rtol=1e-4, atol=1e-5)


def test_a_run_starts_from_an_adapter_by_merging_it(pretrained_toy: Toy) -> None:
    first = pretrained_toy("text_classification", "bert", **{"adapter.kind": "lora"})
    run_recipe(first)
    folder = str(only_run(first) / "model")
    run = prepare(compose.override(first, {"model.name": folder, "adapter": None}))
    assert not models.is_adapted(run.model)
    assert all(weight.requires_grad for weight in run.model.parameters())
    saved = models.load_model(
        Model(name=folder), run.task.head, run.context.tokenizer, labels=run.context.labels, seed=0
    )
    (batch,) = run.batches("dev", [torch.arange(2).numpy()])
    encoded = run.context.tokenizer(run.examples["dev"]["text"][:2], padding=True, return_tensors="pt")
    with torch.inference_mode():
        torch.testing.assert_close(run.model(**batch.source).logits, saved(**encoded).logits, rtol=1e-4, atol=1e-5)


def test_an_adapter_of_other_labels_is_refused(pretrained_toy: Toy) -> None:
    first = pretrained_toy("text_classification", "bert", **{"adapter.kind": "lora"})
    run_recipe(first)
    folder = only_run(first) / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(UserError, match="does not fit this run's model"):
        models.load_model(Model(name=str(folder)), "text_classification", tokenizer, labels=("a", "b", "c"), seed=0)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [("text_classification", "bert"), ("token_classification", "bert"), ("text_to_text", "t5")],
)
def test_a_prefix_is_trained_in_padded_rows(pretrained_toy: Toy, kind: str, architecture: str) -> None:
    overrides = {"adapter.kind": "prefix_tuning", "adapter.num_virtual_tokens": 3}
    run = prepare(pretrained_toy(kind, architecture, **overrides))
    assert not run.context.ragged
    before = {name: weight.detach().clone() for name, weight in run.model.named_parameters() if weight.requires_grad}
    loop = fit(run)
    after = dict(run.model.named_parameters())
    assert all(not torch.equal(before[name], after[name].detach()) for name in before)
    finish_run(loop)
    (batch,) = run.batches("test", [torch.arange(3).numpy()])
    loaded = models.load_model(
        Model(name=str(run.folder.model)), run.task.head, run.context.tokenizer, labels=run.context.labels, seed=0
    )
    best, again = run.model.train(False), loaded.train(False)
    assert loop.state.best_step == loop.state.step
    with torch.inference_mode():
        torch.testing.assert_close(again(**batch.inputs).logits, best(**batch.inputs).logits)


def test_padding_is_nothing_to_a_prefix(pretrained_toy: Toy) -> None:
    run = prepare(pretrained_toy("text_classification", "bert", **{"adapter.kind": "prefix_tuning"}))
    together = probabilities(run, run.model)
    for number in range(len(together)):
        (batch,) = run.batches("test", [torch.tensor([number]).numpy()])
        with torch.inference_mode():
            torch.testing.assert_close(run.model(**batch.source).logits[0], together[number], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"adapter.kind": "prefix_tuning"} | WINDOW, "of which masks know nothing"),
        ({"adapter.kind": "lora", "training.freeze": ["bert"]}, "set training.freeze"),
        ({"adapter.kind": "ia3", "adapter.rank": 4}, "ia3 takes merge, targets, found rank"),
        ({"adapter.kind": "lor"}, "adapter.kind is wrong"),
    ],
)
def test_what_does_not_go_together_is_told(pretrained_toy: Toy, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        pretrained_toy("text_classification", "bert", **overrides)


def test_random_weights_take_no_adapter(toy: Toy) -> None:
    with pytest.raises(UserError, match="adapter is for pretrained models"):
        toy("text_classification", "bert", **{"adapter.kind": "lora"})


def test_unknown_targets_suggest_a_name(pretrained_toy: Toy) -> None:
    recipe = pretrained_toy("text_classification", "bert", **{"adapter.targets": ["querry"]})
    with pytest.raises(UserError, match=r"did you mean query\?"):
        prepare(recipe)


def test_every_matrix_can_be_adapted(pretrained_toy: Toy) -> None:
    run = prepare(pretrained_toy("text_classification", "bert", **{"adapter.targets": ["all-linear"]}))
    assert any("intermediate.dense.lora_A" in name for name, _ in run.model.named_parameters())


def test_two_encoders_put_together_are_not_adapted(pretrained_toy: Toy, toy: Toy) -> None:
    encoder = pretrained_toy("text_classification", "bert").model.name
    recipe = toy("text_to_text", "bert", train=16, held_out=8)
    with pytest.raises(UserError, match="weights between two encoders"):
        prepare(compose.override(recipe, {"model.scratch": None, "model.name": encoder, "adapter.kind": "lora"}))


def test_a_prefix_needs_a_model_that_takes_it(pretrained_toy: Toy) -> None:
    with pytest.raises(UserError, match="does not go with this model and task"):
        prepare(pretrained_toy("token_classification", "t5", **{"adapter.kind": "prefix_tuning"}))


def test_peft_missing_is_told(pretrained_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = pretrained_toy("text_classification", "bert", **{"adapter.kind": "lora"})
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UserError, match=r"finetune-masks\[peft\]"):
        prepare(recipe)


def test_a_base_model_that_is_gone_is_told(pretrained_toy: Toy) -> None:
    recipe = pretrained_toy("text_classification", "bert", **{"adapter.kind": "lora"})
    run_recipe(recipe)
    folder = only_run(recipe) / "model"
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "/no/such/folder"}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(UserError, match="there is no folder /no/such/folder"):
        models.load_model(Model(name=str(folder)), "text_classification", tokenizer, labels=("bad", "good"), seed=0)


def test_the_heads_of_an_adapted_model_are_drawn(pretrained_toy: Toy) -> None:
    from finetune.report import draw_weights

    recipe = pretrained_toy("text_classification", "bert", **{"adapter.kind": "lora"} | WINDOW)
    run_recipe(recipe)
    assert "layer 1, head 0" in draw_weights(only_run(recipe), "this film was great")


def test_the_keys_of_each_kind() -> None:
    assert Adapter(kind="lora", rank=4).rank == 4
    with pytest.raises(ValueError, match="prefix_tuning takes num_virtual_tokens, found merge"):
        Adapter(kind="prefix_tuning", merge=True)
