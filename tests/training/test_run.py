"""A prepared run has its data, its batches and its folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from finetune import compose, training
from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.recipe.changes import Changes
from finetune.training.run import Run, prepare

Toy = Callable[..., Recipe]


@pytest.fixture
def run(toy: Toy) -> Iterator[Run]:
    run = prepare(toy("text_classification", "bert", train=16, held_out=4))
    yield run
    run.lock.release()


def test_batches_hold_the_features_of_their_indices(run: Run) -> None:
    indices = [np.array([3, 1]), np.array([2])]
    lengths = run.encoded["train"].lengths
    batches = list(run.batches("train", indices))
    assert [batch.inputs["input_ids"].device for batch in batches] == [run.accelerator.device] * 2
    for batch, chosen in zip(batches, indices, strict=True):
        assert batch.inputs["input_ids"].numel() >= lengths[chosen].sum()
        assert len(batch.label_ids) == len(chosen)


def test_a_run_is_introduced(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {"attention.encoder": "window(2) | global_tokens(cls)", "seed": 7}
    prepare(compose.override(run.recipe.with_changes(Changes()), changes)).lock.release()
    said = capsys.readouterr().err
    for part in (
        "toy: text classification with bert-tiny from scratch (",
        "  data: data\n",
        "  masks: encoder window(2) | global_tokens(cls)\n",
        "  seed: 7\n",
        "  changed from the recipe:\n    attention.encoder: null -> window(2) | global_tokens(cls)\n",
        "    seed: 42 -> 7\n",
        "examples: 16 train, 4 dev, 4 test",
        "best checkpoint: by dev accuracy",
        "precision: ",
        "run folder: ",
    ):
        assert part in said


def test_a_run_of_a_recipe_as_it_is_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(run.recipe.with_changes(Changes())).lock.release()
    said = capsys.readouterr().err
    assert "  masks: standard\n" in said
    assert "  changed from the recipe: nothing\n" in said


def test_a_run_that_is_resumed_knows_what_was_changed_at_its_start(run: Run) -> None:
    run.lock.release()
    begun = prepare(compose.override(run.recipe.with_changes(Changes()), {"seed": 7, "training.log_every": 2}))
    begun.lock.release()
    resumed = compose.compose([f"resume={begun.folder.path}", "training.log_every=3"])
    changed = prepare(resumed)
    changed.lock.release()
    assert [str(change) for change in changed.changes.listed] == ["seed: 42 -> 7", "training.log_every: 50 -> 3"]


def test_a_run_that_is_trained_is_not_prepared_again(run: Run) -> None:
    run.folder.write_results({"test": {}})
    run.lock.release()
    recipe = compose.override(run.recipe, {"resume": str(run.folder.path)})
    with pytest.raises(UserError, match="has only to be published") as caught:
        training.prepare(recipe)
    assert str(run.folder.path) in str(caught.value.fix)
    assert RunFolder(Path(run.folder.path)).is_finished
