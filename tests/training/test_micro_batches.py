"""The micro-batches of an epoch: each example of the process once, in order, whatever the number of parts."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.data.batches import StepBatches
from finetune.recipe import Recipe
from finetune.training.micro_batches import StepPlan, micro_batches, of_one_step, plan_pieces, plan_steps
from finetune.training.run import prepare
from tests.checkpointing.runs import elsewhere, small
from tests.training.processes import together

Toy = Callable[..., Recipe]


def plan(*batches: range, spare: int = 0) -> StepPlan:
    mine = tuple(np.arange(batch.start, batch.stop) for batch in batches)
    return StepPlan(StepBatches(mine, spare, np.concatenate(mine)), targets=1, largest=1)


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_each_step_has_its_examples_in_order_and_one_last_piece(parts: int) -> None:
    steps = [plan(range(5), range(5, 8)), plan(range(8, 9))]
    pieces = list(plan_pieces(steps, parts))
    assert np.concatenate([piece.indices for piece in pieces]).tolist() == list(range(9))
    assert [int(piece.indices[-1]) for piece in pieces if piece.is_last] == [7, 8]
    assert max(len(piece.indices) for piece in pieces) == -(-5 // parts)


def test_spare_batches_weigh_nothing_in_any_part() -> None:
    pieces = list(plan_pieces([plan(range(4), range(4, 6), spare=1)], 2))
    assert [(piece.indices.tolist(), piece.weight) for piece in pieces] == [
        ([0, 1], 1.0),
        ([2, 3], 1.0),
        ([4], 0.0),
        ([5], 0.0),
    ]


@pytest.mark.parametrize("ahead", [0, 4])
def test_a_micro_batch_holds_the_examples_that_its_indices_name(toy: Toy, ahead: int) -> None:
    """What is computed and what an error message names cannot differ: both come with the same object."""
    run = prepare(small(toy, **{"training.prefetch": ahead}))
    steps = plan_steps(run, 0)
    with closing(micro_batches(run, steps, 2)) as prepared:
        for step in steps:
            found = list(of_one_step(prepared))
            assert [one.is_last for one in found] == [False] * (len(found) - 1) + [True]
            assert [int(index) for one in found for index in one.indices] == np.concatenate(step.window.local).tolist()
            for one in found:
                expected = run.collate("train", one.indices)
                assert torch.equal(one.batch.label_ids, expected.label_ids)
                assert torch.equal(one.batch.inputs["input_ids"], expected.inputs["input_ids"])
        assert next(prepared, None) is None


def test_processes_plan_the_same_steps_and_share_their_batches(toy: Toy, tmp_path: Path) -> None:
    recipe = small(toy)

    def body() -> int:
        run = prepare(elsewhere(recipe, "two"))
        steps = plan_steps(run, 0)
        torch.save(
            [(step.targets, step.largest, step.window.all, step.window.local) for step in steps],
            tmp_path / f"plan{run.accelerator.process_index}",
        )
        return 0

    assert together(body, tmp_path / "logs", 2) == [0, 0], (tmp_path / "logs" / "0.log").read_text()
    first, second = (torch.load(tmp_path / f"plan{rank}", weights_only=False) for rank in (0, 1))
    for one, other in zip(first, second, strict=True):
        assert one[:2] == other[:2]
        assert one[2].tolist() == other[2].tolist()
        both = np.concatenate([*one[3], *other[3]])
        assert set(both.tolist()) == set(one[2].tolist())
