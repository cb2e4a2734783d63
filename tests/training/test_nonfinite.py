"""A loss or gradient that is not finite: never stepped on, told with its examples and cause, skipped where asked."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from finetune import compose, training
from finetune.checkpointing.checkpoint import is_whole
from finetune.errors import UserError
from finetune.hardware.precision import Precision
from finetune.recipe import Recipe
from finetune.training import nonfinite
from finetune.training.loop import Loop
from finetune.training.nonfinite import StepFlags, StepFlagsQueue
from finetune.training.run import Run, prepare
from tests.checkpointing.runs import small

Toy = Callable[..., Recipe]
Break = Callable[[Tensor], Tensor]


def not_a_number(loss: Tensor) -> Tensor:
    return loss * math.nan


def infinite(loss: Tensor) -> Tensor:
    return loss + math.inf


def bad_gradient(loss: Tensor) -> Tensor:
    """The loss itself stays finite."""
    passed = loss * 1.0
    passed.register_hook(lambda gradient: gradient * math.inf)  # type: ignore[no-untyped-call]
    return passed


def broken(run: Run, monkeypatch: pytest.MonkeyPatch, breaks: Break, *calls: int) -> list[tuple[int, ...]]:
    """Break the loss of the given calls, counted from 0; gives the examples of every call, as they come."""
    original = run.task.loss
    seen: list[tuple[int, ...]] = []

    def loss(model: Any, batch: Any, label_smoothing: float) -> Tensor:
        seen.append(batch.examples)
        whole = original(model, batch, label_smoothing)
        return breaks(whole) if len(seen) - 1 in calls else whole

    monkeypatch.setattr(run.task, "loss", loss)
    return seen


def weights(loop: Loop) -> list[Tensor]:
    return [weight.detach().clone() for weight in loop.model.parameters()]


@pytest.mark.parametrize("breaks", [not_a_number, infinite, bad_gradient])
@pytest.mark.parametrize("max_grad_norm", [1.0, None])
def test_it_stops_before_the_step(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, breaks: Break, max_grad_norm: float | None
) -> None:
    run = prepare(small(toy, **{"training.max_grad_norm": max_grad_norm}))
    seen = broken(run, monkeypatch, breaks, 5)  # the second part of the third step
    loop = Loop(run)
    after: list[list[Tensor]] = []
    loop.optimizer.optimizer.register_step_post_hook(lambda *_: after.append(weights(loop)))
    with pytest.raises(UserError) as caught:
        loop.train()
    of_loss = breaks is not bad_gradient
    assert f"the {'loss' if of_loss else 'gradient'} is not finite at step 3" in caught.value.problem
    named = sorted(seen[5] if of_loss else seen[4] + seen[5])
    assert caught.value.where == f"train examples {', '.join(map(str, named))} (counted from 0)"
    assert "training.learning_rate=" in str(caught.value.fix)
    assert len(after) == 2
    assert all(torch.equal(*pair) for pair in zip(after[-1], weights(loop), strict=True))
    (checkpoint,) = run.folder.checkpoints.iterdir()
    assert checkpoint.name == "step-000002"
    assert is_whole(checkpoint)


def test_the_step_is_skipped_where_asked(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"training.on_nonfinite": "skip", "training.epochs": 1}
    run = prepare(small(toy, **keys))
    broken(run, monkeypatch, not_a_number, 5)
    loop = training.fit(run)
    assert (loop.state.step, loop.state.skipped_steps) == (6, 1)
    assert "step 3 is skipped, 1 of at most 10" in capsys.readouterr().err
    assert all(weight.isfinite().all() for weight in weights(loop))
    lines = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    losses = {line["step"]: line["train_loss"] for line in lines if "train_loss" in line}
    assert losses.pop(3) == 0  # nothing to average
    (epoch,) = [line["epoch_train_loss"] for line in lines if "epoch_train_loss" in line]
    assert epoch == pytest.approx(sum(losses.values()) / 5, rel=1e-6)  # all steps have as many targets


def test_only_so_many_steps_are_skipped(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare(small(toy, **{"training.on_nonfinite": "skip", "training.max_left_out": 2}))
    broken(run, monkeypatch, not_a_number, 0, 4, 8, 9)
    with pytest.raises(UserError, match=r"at step 5, after 2 that were skipped \(training.max_left_out=2\)"):
        training.fit(run)


def flags_of(*losses: float) -> StepFlags:
    parts = [torch.arange(start, start + 18).numpy() for start in range(0, 18 * len(losses), 18)]
    return StepFlags(
        7, [torch.tensor(loss) for loss in losses], parts, torch.tensor(sum(losses)), 18, torch.tensor([1.0, 0.0])
    )


def test_the_likely_cause_is_named(toy: Toy) -> None:
    run = prepare(small(toy, **{"training.max_grad_norm": None, "training.learning_rate": 1e-3}))
    told = nonfinite.nonfinite_error(run, flags_of(0.5, math.nan), 0)
    assert told.where == "train examples 18, 19, 20, 21, 22, 23, 24, 25, 26, 27 and 8 more (counted from 0)"
    assert told.found == "losses of 0.5, nan"
    assert "training.learning_rate=0.0001" in str(told.fix)
    assert "training.max_grad_norm=1" in str(told.fix)
    in_fp16 = replace(run, precision=Precision("fp16", ""))
    assert "training.precision=bf16" in str(nonfinite.nonfinite_error(in_fp16, flags_of(math.inf), 0).fix)
    next(run.model.parameters()).data.fill_(math.nan)
    assert "weights are not finite themselves" in str(nonfinite.nonfinite_error(run, flags_of(math.nan), 0).fix)


@pytest.mark.parametrize("call", [0, 11])
def test_the_proposed_rate_is_a_tenth_of_the_recipes_at_the_first_and_the_last_step(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """The schedule's own rate is 0 there, of which no fraction is a rate."""
    keys = {"training.epochs": 1, "training.learning_rate": 2e-3, "training.warmup": 3, "training.schedule": "linear"}
    run = prepare(small(toy, **keys))
    broken(run, monkeypatch, not_a_number, call)
    with pytest.raises(UserError) as caught:
        training.fit(run)
    assert str(caught.value.fix).startswith("training.learning_rate=0.0002 (it is 0.002);")


def test_no_rate_is_proposed_below_the_smallest_number(toy: Toy) -> None:
    run = prepare(small(toy, **{"training.learning_rate": 5e-324}))
    assert "learning_rate" not in str(nonfinite.nonfinite_error(run, flags_of(math.nan), 0).fix)


def test_an_optimizer_that_reads_on_the_device_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU does, with torch's fused optimizer on a CPU: a step that is not finite changes nothing at all."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
    on_device: Any = type("Flag", (), {"device": torch.device("cuda"), "__gt__": lambda self, other: self.flag})()
    weight.grad = torch.full((3,), 0.5)
    on_device.flag = torch.tensor(False)
    nonfinite.step_where_finite(optimizer, on_device)
    stepped = weight.detach().clone()
    assert not torch.equal(stepped, torch.ones(3))
    kept = {name: value.clone() for name, value in optimizer.state[weight].items()}
    weight.grad = torch.full((3,), math.nan)
    on_device.flag = torch.tensor(True)
    nonfinite.step_where_finite(optimizer, on_device)
    assert torch.equal(weight, stepped)
    assert all(torch.equal(optimizer.state[weight][name], value) for name, value in kept.items())
    assert not hasattr(optimizer, "found_inf")


def test_on_a_cpu_each_step_is_told_at_once() -> None:
    queue, one = StepFlagsQueue(), flags_of(1.0)
    assert queue.put(one) is one
    assert queue.last() is None
    assert (one.is_finite, one.is_last) == (False, False)


def test_keys_are_checked(toy: Toy) -> None:
    with pytest.raises(UserError, match=r"training\.on_nonfinite"):
        compose.override(small(toy), {"training.on_nonfinite": "ignore"})
    with pytest.raises(UserError, match=r"training\.max_left_out"):
        compose.override(small(toy), {"training.max_left_out": 0})
