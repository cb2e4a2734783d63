"""The hand-written backward pass equals finite differences and autograd."""

import pytest
import torch
from torch import Tensor

from finetune.attention.kernels import plan as plans
from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.gradients import attention_gradients
from finetune.attention.kernels.slots import gather
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.kernels.weights import TiledCall
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import parse
from finetune.attention.planning import plan

HEADS, HEAD_DIM = 2, 3
LAYOUT = Ragged.from_lengths([7, 1, 4])
TEXTS = ["full()", "~window(2)", "window(1) | global_tokens(0)"]
KERNELS = ["whole", "blocks"]


def leaves(layout: Ragged, table: bool) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(layout.total, HEADS, HEAD_DIM)] * 3 + [(HEADS, 2 * max(layout.sizes) - 1)] * table
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("text", TEXTS)
def test_they_are_those_of_finite_differences(text: str, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", 40)  # several chunks
    attention_plan = plan(parse(text), LAYOUT, LAYOUT, HEADS, kernel=kernel, has_relative_bias=True)
    assert len(attention_plan.groups) > 1

    def attend(query: Tensor, key: Tensor, value: Tensor, table: Tensor) -> Tensor:
        return tiled_attention(query, key, value, attention_plan, bias_table=table)

    assert torch.autograd.gradcheck(attend, leaves(LAYOUT, table=True))


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_kept_weights_they_are_computed_again(kernel: str) -> None:
    attention_plan = plan(parse("causal()"), LAYOUT, LAYOUT, HEADS, kernel=kernel)
    query, key, value = leaves(LAYOUT, table=False)
    rows = [tensor.transpose(0, 1)[None] for tensor in (query, key, value)]
    expected, _ = dense_attention(rows[0], rows[1], rows[2], ragged_mask(parse("causal()"), LAYOUT), scale=0.5)
    gradient = torch.ones(LAYOUT.total, HEADS, HEAD_DIM, dtype=torch.float64).cumsum(0)
    sides = (query, attention_plan.queries), (key, attention_plan.keys), (value, attention_plan.keys)
    q, k, v = (gather(tensor.detach(), indices, torch.float64) for tensor, indices in sides)
    call = TiledCall(attention_plan, q, k, v, None, 0.5, 0.0, 0, torch.float64)
    *found, of_table = attention_gradients(call, gradient, [], of_table=False)
    assert of_table is None
    torch.testing.assert_close(
        tuple(found), torch.autograd.grad(expected[0].transpose(0, 1), (query, key, value), gradient)
    )
