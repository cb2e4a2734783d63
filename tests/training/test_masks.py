"""Masks in recipes: they reach the model, change what it computes, and are saved with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.training.run import prepare

Toy = Callable[..., Recipe]


@pytest.mark.parametrize(
    ("kind", "architecture", "masks"),
    [
        ("text_classification", "bert", {"attention.encoder": "window(1) | global_tokens(cls)"}),
        ("text_classification", "t5", {"attention.encoder": "same(sentence)", "attention.decoder": "window(8)"}),
        ("token_classification", "bert", {"attention.encoder": {"mask": "window(2)", "layers": {"-1": "same(word)"}}}),
        ("text_to_text", "t5", {"attention.encoder": "same(word)", "attention.cross": "per_head(full(), window(2))"}),
        ("text_to_text", "bert", {"attention.cross": "window(2)", "attention.decoder": "window(2)"}),
        ("text_classification", "bert", {"attention.encoder": "window(4) + alibi() + bias(sentence, 0.5)"}),
        ("text_to_text", "t5", {"attention.encoder": "bias(word, 1)", "attention.decoder": "window(4) + alibi()"}),
        ("text_to_text", "t5", {"task.target_prompt": "rot hund ", "attention.decoder": "causal() | prefix(3)"}),
    ],
)
def test_a_run_with_masks(toy: Toy, kind: str, architecture: str, masks: dict[str, Any]) -> None:
    recipe = toy(kind, architecture, train=32, held_out=8, **{"training.epochs": 1}, **masks)
    assert run_recipe(recipe)["loss"] > 0
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    saved = json.loads((folder / "model" / "config.json").read_text())["attention_masks"]["program"]
    assert saved == recipe.attention.program.to_config()


@pytest.mark.parametrize("layout", ["ragged", "padded"])
def test_spans_of_the_data_decide_what_a_text_can_tell(toy: Toy, layout: str) -> None:
    """The telling word is hidden from [CLS] where a span sets the text apart, and is seen where there is none."""
    scores = []
    for is_apart in (True, False):
        masks = {"attention.encoder": "same(part)", "training.layout": layout}
        recipe = toy("text_classification", "bert", train=200, **masks)
        for path in Path(str(recipe.data.path)).iterdir():
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            for row in rows:
                row["part"] = [[0, len(row["text"]), 0]] if is_apart else []
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        scores.append(run_recipe(recipe)["accuracy"])
    hidden, seen = scores
    assert hidden < 0.8 < seen


def test_a_mask_that_lets_nothing_through_learns_nothing(toy: Toy) -> None:
    """The telling word is hidden from [CLS], so that a classifier that did learn would have ignored its mask."""
    recipe = toy("text_classification", "bert", train=200, **{"attention.encoder": "none()"})
    assert run_recipe(recipe)["accuracy"] < 0.8


def test_the_standard_masks_leave_an_ordinary_model(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **{"training.epochs": 1})
    run_recipe(recipe)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    assert "attention_masks" not in json.loads((Path(folder) / "model" / "config.json").read_text())


@pytest.mark.parametrize(
    "masks",
    [
        {"attention.decoder": "causal() & global_tokens(-1)"},
        {"attention.decoder": "causal() & same(word)"},
        {"attention.decoder": "causal() + bias(word, 1)"},
        {"attention.cross": "window(3) | global_tokens(-1)"},
    ],
)
def test_masks_under_which_no_text_can_be_written_are_refused_before_training(toy: Toy, masks: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="masks"):
        prepare(toy("text_to_text", "t5", train=32, held_out=8, **masks))


@pytest.mark.parametrize("layout", ["ragged", "padded"])
@pytest.mark.parametrize("mask", ["causal() | prefix(3)", "window(2)"])
def test_the_loss_of_an_example_does_not_depend_on_its_neighbours(
    toy: Toy, mask: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also under a mask that no recipe may have, since it looks ahead: into the padding, were that not excluded."""
    monkeypatch.setattr("finetune.training.masks.refuse_label_leak", lambda *_: None)
    recipe = toy("text_to_text", "t5", train=32, held_out=8, **{"attention.decoder": mask, "training.layout": layout})
    dev = Path(str(recipe.data.path)) / "dev.jsonl"
    rows = [json.loads(line) for line in dev.read_text().splitlines()]
    shorter = [row | {"target": " ".join(row["target"].split()[: 1 + number % 4])} for number, row in enumerate(rows)]
    dev.write_text("".join(json.dumps(row) + "\n" for row in shorter))
    run = prepare(recipe)
    features = run.encoded["dev"].features
    assert len(set(features.columns["targets"].values)) > 1  # or there is no padding
    with torch.no_grad():
        batches = [run.task.collate(features[index : index + 1], run.context) for index in range(len(features))]
        alone = sum(float(run.task.loss(run.model, batch, 0.0)) for batch in batches)
        together = float(run.task.loss(run.model, run.task.collate(features[:], run.context), 0.0))
    assert together == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ({"attention.encoder": "per_head(full(), window(1), none())"}, "multiple of 3 heads"),
        ({"attention.decoder": "window(2)"}, "decoder"),
        ({"attention.decoder": "causal()"}, "has only encoder"),
        ({"attention.cross": "full()"}, "has only encoder"),
        ({"attention.encoder": {"layers": {"7": "none()"}}}, "7"),
        (
            {"attention.encoder": "global_tokens(nothing_special)"},
            "'nothing_special', which the tokenizer does not have",
        ),
    ],
)
def test_masks_that_do_not_fit_are_refused_before_training(toy: Toy, masks: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        prepare(toy("text_classification", "bert", train=32, held_out=8, **masks))
    assert expected in str(caught.value)


def test_a_kernel_that_does_not_run_here_is_refused_before_training(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=8, held_out=4, **{"attention.kernel": "flex"})
    with pytest.raises(UserError, match="flex"):
        prepare(recipe)
