"""The gradient of a step is clipped as torch clips it."""

from collections.abc import Callable

import pytest
import torch

from finetune import compose, training
from finetune.recipe import Recipe
from finetune.training import nonfinite
from finetune.training.loop import Loop
from finetune.training.run import prepare

Toy = Callable[..., Recipe]


@pytest.mark.parametrize("limit", [0.01, 100.0])
def test_an_optimizer_that_divides_the_gradient_clips_as_torch_does(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **{"training.steps": 3})
    outcomes = []
    for divides in (True, False):
        if not divides:
            monkeypatch.setattr(nonfinite, "reads_on_device", lambda optimizer: False)
        loop = training.fit(prepare(compose.override(recipe, {"training.max_grad_norm": limit})))
        moments = [state["exp_avg"].flatten() for state in loop.optimizer.state.values()]
        outcomes.append((torch.cat(moments), [weight.detach() for weight in loop.model.parameters()]))
    torch.testing.assert_close(*outcomes)


def test_clipping_scales_the_gradient_to_the_norm(toy: Toy) -> None:
    """The optimizer divides the gradient by the factor by which torch would multiply it."""
    loop = Loop(prepare(toy("text_classification", "bert", train=8, held_out=4)))
    torch.manual_seed(0)
    for weight in loop.model.parameters():
        weight.grad = torch.randn_like(weight)
    expected = torch.nn.utils.get_total_norm([weight.grad for weight in loop.model.parameters()])
    norm, divisor = loop.gradients.clip(0.5, loop.optimizer)
    assert norm is not None
    assert divisor is not None
    torch.testing.assert_close(norm, expected)
    torch.testing.assert_close(norm / divisor, torch.tensor(0.5), rtol=1e-4, atol=0)
    norm, divisor = loop.gradients.clip(2 * float(norm), loop.optimizer)
    assert float(divisor if divisor is not None else 0) == 1
    assert loop.gradients.clip(None, loop.optimizer)[1] is None
