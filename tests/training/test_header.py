"""The first lines of a run say what is trained, on what, and how it differs from the recipe."""

from typing import Any

from finetune.recipe import Recipe
from finetune.recipe.changes import Change, Changes
from finetune.training.header import header

SECTIONS: dict[str, Any] = {
    "name": "mine",
    "task": {"kind": "token_classification"},
    "model": {"scratch": {"architecture": "bert", "size": "tiny"}},
    "data": {"path": "folder/train.conll"},
    "attention": {"encoder": "window(4)"},
    "seed": 7,
}


def lines(changes: Changes, weights: int = 1_234_567, **sections: Any) -> list[str]:
    recipe = Recipe.model_validate(SECTIONS | sections)
    return list(header(recipe, {"train": 12_000, "dev": 40, "test": 0}, weights, changes))


def test_what_is_trained_on_what_under_which_masks() -> None:
    assert lines(Changes()) == [
        "mine: token classification with bert-tiny from scratch (1.2 M weights)",
        "  data: train.conll",
        "  examples: 12,000 train, 40 dev, 0 test",
        "  masks: encoder window(4)",
        "  seed: 7",
        "  changed from the recipe: nothing",
    ]


def test_each_change_has_a_line_in_the_order_in_which_it_was_made() -> None:
    changes = Changes((Change("seed", 42, 7), Change("data.labels", None, ["a", "b"])))
    assert lines(changes)[5:] == [
        "  changed from the recipe:",
        "    seed: 42 -> 7",
        '    data.labels: null -> ["a", "b"]',
    ]


def test_standard_masks_and_a_pretrained_model_are_said_as_such() -> None:
    said = lines(Changes(), weights=109_482_240, attention={}, model={"name": "some/model"})
    assert said[0] == "mine: token classification with some/model (109.5 M weights)"
    assert said[3] == "  masks: standard"
