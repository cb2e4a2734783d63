"""A step is done again in smaller micro-batches only where nothing of it has been applied yet.

The gradients of split batches, and several processes, are in test_memory.py.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import torch

from finetune.recipe import Recipe
from finetune.training.loop import Loop
from finetune.training.micro_batches import MicroBatch, plan_steps
from finetune.training.run import prepare
from tests.checkpointing.runs import small

Toy = Callable[..., Recipe]


def test_a_failed_attempt_leaves_neither_gradients_nor_random_numbers(toy: Toy) -> None:
    loop = Loop(prepare(small(toy)))
    plan = plan_steps(loop.run, 0)[0]
    random_state = torch.get_rng_state()

    def fails_late(prepared: Iterator[MicroBatch]) -> None:
        for number, one in enumerate(prepared):
            loop.gradients.forward_backward(one, plan.targets)
            torch.rand(3)
            if number:
                raise MemoryError

    with closing(loop.micro_batches([plan])) as prepared:
        assert loop.splitting.attempt(fails_late, plan, prepared) is None
    assert loop.state.parts == 2
    assert all(weight.grad is None for weight in loop.model.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)
    with closing(loop.micro_batches([plan])) as prepared:
        sizes = loop.splitting.attempt(lambda of_step: [len(one.indices) for one in of_step], plan, prepared)
    assert sizes is not None
    assert sum(sizes) == len(plan.window.all)
    assert len(sizes) == 2 * len(plan.window.local)


def test_memory_that_does_not_suffice_for_the_optimizer_is_raised(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights may have changed by then, so that the step must not be done again."""
    loop = Loop(prepare(small(toy)))
    plan = plan_steps(loop.run, 0)[0]

    def fails(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(loop.optimizer.optimizer, "step", fails)
    with closing(loop.micro_batches([plan])) as prepared, pytest.raises(torch.OutOfMemoryError):
        loop.take_step(plan, prepared)
    assert loop.state.parts == 1
