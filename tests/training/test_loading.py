"""The parts of a run are loaded as its recipe says."""

from collections.abc import Callable

import datasets
import pytest
from accelerate import Accelerator

from finetune import compose, tasks
from finetune.hardware.precision import choose_precision
from finetune.recipe import Recipe
from finetune.training import loading

Toy = Callable[..., Recipe]


@pytest.mark.parametrize("is_tuned", [True, False])
def test_a_process_is_tuned_unless_the_recipe_forbids_it(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, is_tuned: bool
) -> None:
    tuned: list[Accelerator] = []
    monkeypatch.setattr(loading, "tune_process", tuned.append)
    recipe = compose.override(toy("text_classification", "bert", train=8), {"training.cpu_tuning": is_tuned})
    accelerator = loading.start_accelerator(recipe, choose_precision("fp32"))
    assert tuned == ([accelerator] if is_tuned else [])
    assert datasets.are_progress_bars_disabled()


@pytest.mark.parametrize(("layout", "is_ragged"), [("ragged", True), ("padded", False)])
def test_the_context_has_the_labels_and_the_layout(toy: Toy, layout: str, is_ragged: bool) -> None:
    recipe = toy("text_classification", "bert", train=8, held_out=4, **{"training.layout": layout})
    task, accelerator = tasks.create(recipe), Accelerator(cpu=True)
    loaded = loading.load_splits(recipe, task, accelerator)
    tokenizer = loading.load_tokenizer(recipe, task, loaded)
    model = loading.load_model(recipe, task, loaded, tokenizer, accelerator)
    context = loading.describe_run(recipe, task, loaded, tokenizer, model)
    assert context.ragged == is_ragged
    assert context.labels == tuple((model.config.id2label or {}).values())
    encoded = loading.encode_splits(task, loaded, context, accelerator)
    assert {name: len(split) for name, split in encoded.items()} == {"train": 8, "dev": 4, "test": 4}
