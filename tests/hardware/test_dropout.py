"""Fast dropout is dropout: right on average and in spread, the same under a seed, and gone when it is over."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from finetune import training
from finetune.hardware.dropout import dropout, fast_dropout
from finetune.recipe import Recipe
from finetune.training.run import prepare

DRAWS = 400_000


def model(probability: float = 0.1) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.Dropout(probability), nn.Linear(8, 8))


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_as_many_are_dropped_as_asked_and_the_mean_stays(probability: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ones = torch.ones(DRAWS, dtype=dtype)
    given = dropout(ones, probability)
    assert given.dtype == dtype
    deviation = (probability * (1 - probability) / DRAWS) ** 0.5  # of a share of that many draws
    assert (given == 0).double().mean().item() == pytest.approx(probability, abs=4 * deviation)
    kept = given[given != 0]
    assert (kept == kept[0]).all()
    assert kept[0].item() == pytest.approx(1 / (1 - probability), rel=torch.finfo(dtype).eps)


def test_each_activation_is_dropped_on_its_own() -> None:
    """The eight that share a drawn number do not fall together, nor do neighbours in any order."""
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(DRAWS), 0.3) == 0).double()
    for distance in range(1, 10):
        together = (dropped[:-distance] * dropped[distance:]).mean().item()
        assert together == pytest.approx(0.3**2, abs=4 * (0.09 * 0.91 / DRAWS) ** 0.5)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 7)])
def test_any_shape_and_the_gradient_of_what_was_kept(shape: tuple[int, ...]) -> None:
    activations = torch.randn(shape, requires_grad=True)
    given = dropout(activations, 0.5)
    (gradient,) = torch.autograd.grad(given.sum(), activations)
    assert given.shape == shape
    assert torch.equal(gradient == 0, given == 0)
    torch.testing.assert_close(activations * gradient, given)


@pytest.mark.parametrize("probability", [0.0, 1e-9, 1 - 1e-9])
def test_extremes_stay_finite(probability: float) -> None:
    given = dropout(torch.ones(1000), probability)
    assert given.isfinite().all()
    assert probability > 0.5 or (given == 1).all()


def test_a_seed_fixes_what_is_dropped() -> None:
    x, sequence = torch.randn(4, 8), model()
    with fast_dropout(sequence):
        outputs = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            outputs.append(sequence(x))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_gradient_checkpointing_drops_the_same_again() -> None:
    x = torch.randn(64, 8)
    gradients = []
    for recompute in (False, True):
        sequence = model(0.5)
        with fast_dropout(sequence):
            torch.manual_seed(1)
            output = checkpoint(sequence, x, use_reentrant=False) if recompute else sequence(x)
            output.square().sum().backward()
        gradients.append([weight.grad for weight in sequence.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


def test_evaluation_drops_nothing() -> None:
    sequence = model().eval()
    x = torch.randn(4, 8)
    expected = sequence(x)
    with fast_dropout(sequence):
        assert torch.equal(sequence(x), expected)


def test_nothing_of_it_stays_in_the_model() -> None:
    sequence = model()
    names, kinds = list(sequence.state_dict()), [type(module) for module in sequence.modules()]

    def fail() -> None:
        with fast_dropout(sequence):
            assert list(sequence.state_dict()) == names
            assert type(sequence[1]) is not nn.Dropout
            assert isinstance(sequence[1], nn.Dropout)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [type(module) for module in sequence.modules()] == kinds


def test_training_uses_it(toy: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare(toy("text_classification", "bert", train=32, held_out=8, **{"training.steps": 1}))
    shapes: list[torch.Size] = []

    def counted(activations: torch.Tensor, probability: float) -> torch.Tensor:
        shapes.append(activations.shape)
        return dropout(activations, probability)

    monkeypatch.setattr("finetune.hardware.dropout.dropout", counted)
    training.fit(run)
    assert shapes
    assert {type(module) for module in run.model.modules() if isinstance(module, nn.Dropout)} == {nn.Dropout}
