"""The attention weights of chunks against the softmax of each tile."""

import pytest
import torch
from torch import Tensor

from finetune.attention.kernels import plan as plans
from finetune.attention.kernels.plan import AttentionPlan, TileBatch, compile_plan
from finetune.attention.kernels.slots import gather, split_slots
from finetune.attention.kernels.weights import (
    TiledCall,
    attention_weights,
    weight_survivors,
    widened,
)

HEADS, HEAD_DIM, SCALE = 2, 4, 0.3
QUERIES, KEYS = torch.arange(6).view(2, 3), torch.arange(8).view(2, 4)


def plan_of(allowed: Tensor | None, bias_index: Tensor | None) -> AttentionPlan:
    return compile_plan([TileBatch(QUERIES, KEYS, allowed, range(HEADS), bias_index)], 6, 8, HEADS)


def call_of(plan: AttentionPlan, table: Tensor | None = None, dropout: float = 0.0) -> TiledCall:
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(n, HEADS, HEAD_DIM, generator=generator, dtype=torch.float64) for n in (6, 8))
    queries, keys = gather(query, plan.queries, query.dtype), gather(key, plan.keys, key.dtype)
    return TiledCall(plan, queries, keys, keys, table, SCALE, dropout, 7, torch.float64)


@pytest.mark.parametrize("chunk_weights", [1, 10**6])
@pytest.mark.parametrize("shared", [True, False])
def test_they_are_the_softmax_of_scores_bias_and_mask(
    shared: bool, chunk_weights: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", chunk_weights)
    generator = torch.Generator().manual_seed(1)
    allowed = torch.rand(2, 1, 3, 4, generator=generator) > 0.4
    allowed[0, 0, 1] = False
    index = torch.randint(0, 5, (1 if shared else 2, 3, 4), generator=generator)
    table = torch.randn(HEADS, 5, generator=generator, dtype=torch.float64)
    plan = plan_of(allowed, index)
    call = call_of(plan, table)
    assert call.dtype == torch.float64
    query, key = (rows.new_zeros(n * HEADS, HEAD_DIM) for rows, n in ((call.query, 6), (call.key, 8)))
    query[plan.queries.rows], key[plan.keys.rows] = call.query, call.key
    queries = query.view(2, 3, HEADS, HEAD_DIM).transpose(1, 2)  # [tiles, heads, queries, head_dim]
    scores = queries @ key.view(2, 4, HEADS, HEAD_DIM).transpose(1, 2).mT * SCALE + table[:, index].transpose(0, 1)
    expected = scores.masked_fill(~allowed, -torch.inf).softmax(-1).nan_to_num(0.0)
    found = torch.cat([attention_weights(call, group) for group in plan.groups])
    torch.testing.assert_close(found.view(2, HEADS, 3, 4), expected)


def test_survivors_are_the_same_at_each_call_and_of_their_own_in_each_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", 1)
    plan = plan_of(None, None)
    call = call_of(plan, dropout=0.5)
    drawn = [weight_survivors(call, group) for group in plan.groups]
    assert len(drawn) == 4
    assert len({tuple(one.tolist()) for one in drawn if one is not None}) == 4
    torch.testing.assert_close([weight_survivors(call, group) for group in plan.groups], drawn, rtol=0, atol=0)
    assert weight_survivors(call_of(plan), plan.groups[0]) is None


def test_scores_are_computed_in_float32_or_float64() -> None:
    table = widened(torch.ones(1, 1), torch.float64)
    assert table is not None
    assert table.dtype == torch.float64
    assert widened(None, torch.float32) is None


def test_weights_lie_chunk_by_chunk() -> None:
    plan = plan_of(None, None)
    (group,) = plan.groups
    weights = split_slots(attention_weights(call_of(plan), group), group.weight_shapes)
    assert [piece.shape for piece in weights] == [(2 * HEADS, 3, 4)]
    torch.testing.assert_close(weights[0].sum(-1), torch.ones(2 * HEADS, 3, dtype=torch.float64))
