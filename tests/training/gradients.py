"""The gradient of every step of an epoch, taken without stepping."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from finetune import compose
from finetune.training.loop import Loop
from finetune.training.micro_batches import MicroBatch, StepPlan, plan_steps
from finetune.training.run import Run

Step = tuple[float, dict[str, Tensor]]
"""Mean loss, and the gradient of each weight; float64."""


def varied(run: Run, overrides: Mapping[str, Any], *, ragged: bool = True) -> Run:
    """The same run under other keys of training."""
    context = replace(run.context, ragged=ragged)
    return replace(run, context=context, recipe=compose.override(run.recipe, overrides))


def steps(run: Run) -> list[Step]:
    """All steps of the first epoch, the last one partial where examples run out; the same on all processes."""
    run.model.double().train()
    loop = Loop(run)
    return [_step(loop, plan) for plan in plan_steps(run, 0)]


def _step(loop: Loop, plan: StepPlan) -> Step:
    def loss_of(prepared: Iterator[MicroBatch]) -> Tensor:
        losses = [loop.gradients.forward_backward(one, plan.targets) * one.weight for one in prepared]
        return torch.stack(losses).sum()

    loop.model.zero_grad()
    mine = None
    while mine is None:  # memory did not suffice
        with closing(loop.micro_batches([plan])) as prepared:
            mine = loop.splitting.attempt(loss_of, plan, prepared)
    loop.gradients.embeddings.fill()
    total: Tensor = loop.accelerator.reduce(mine, reduction="sum")
    named = loop.unwrapped.named_parameters()
    return float(total) / plan.targets, {name: one.grad.clone() for name, one in named if one.grad is not None}


def assert_same_steps(found: list[Step], expected: list[Step]) -> None:
    """Losses and gradients agree to what float64's rounding, and float32 in the loss, leave."""
    assert len(found) == len(expected)
    for (loss, gradient), (expected_loss, expected_gradient) in zip(found, expected, strict=True):
        assert abs(loss - expected_loss) <= 1e-6 * abs(expected_loss)
        assert_same_gradient(gradient, expected_gradient)


def assert_same_gradient(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    largest = max(float(one.abs().max()) for one in expected.values())
    for name, one in expected.items():
        torch.testing.assert_close(found[name], one, rtol=1e-4, atol=1e-6 * largest, msg=name)
