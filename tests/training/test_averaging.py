"""Averages follow the weights, continue from a checkpoint, and are what is evaluated and saved."""

from collections.abc import Callable

import torch
from torch import nn

from finetune.recipe import Recipe, Training
from finetune.training.averaging import ExponentialAverage, ScheduleFreeAverage
from finetune.training.optimizer import build_optimizer

STEPS = 100


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()


def test_the_average_follows_the_weights_and_is_there_on_request_alone() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    average = ExponentialAverage(model, optimizer, decay=0.5)
    followed = model.weight.detach().clone()
    for number in range(1, 4):
        step(model, optimizer)
        keep = min(0.5, (1 + number) / (10 + number))
        followed = keep * followed + (1 - keep) * model.weight.detach()
    own = model.weight.detach().clone()
    with average.applied():
        torch.testing.assert_close(model.weight.detach(), followed)
    assert torch.equal(model.weight.detach(), own)


def test_an_average_goes_on_from_its_state() -> None:
    model, again = nn.Linear(2, 1), nn.Linear(2, 1)
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.1) for one in (model, again)]
    averages = [
        ExponentialAverage(one, optimizer, decay=0.9) for one, optimizer in zip((model, again), optimizers, strict=True)
    ]
    for _ in range(3):
        step(model, optimizers[0])
    again.load_state_dict(model.state_dict())
    averages[1].load_state_dict(averages[0].state_dict())
    for one, optimizer in zip((model, again), optimizers, strict=True):
        step(one, optimizer)
    with averages[0].applied(), averages[1].applied():
        assert torch.equal(model.weight, again.weight)


def test_scoring_a_schedule_free_average_changes_no_bit_of_the_training() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = build_optimizer(model, Training(optimizer="schedule_free", schedule="constant"), STEPS)
    for _ in range(5):
        step(model, optimizer)
    own = model.weight.detach().clone()
    average = ScheduleFreeAverage(model, optimizer)
    with average.applied():
        assert not torch.equal(model.weight, own)
    assert torch.equal(model.weight, own)
    step(model, optimizer)  # refused by the optimizer were it still in its evaluation mode


def test_the_average_is_what_is_scored_and_saved(toy: Callable[..., Recipe]) -> None:
    from safetensors.torch import load_file

    from finetune.training.loop import fit
    from finetune.training.run import prepare

    overrides = {"training.steps": 2, "training.ema": 0.9}
    loop = fit(prepare(toy("text_classification", "bert", train=32, held_out=8, **overrides)))
    saved = load_file(loop.best_checkpoint / "model.safetensors")
    own = loop.unwrapped.state_dict()
    assert not torch.equal(saved["classifier.weight"], own["classifier.weight"])
    with loop.averaging.applied():
        assert torch.equal(saved["classifier.weight"], loop.unwrapped.state_dict()["classifier.weight"])
