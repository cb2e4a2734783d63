"""Compiling a plan: chunks cover every tile and head once, and boolean masks become additive."""

import math

import pytest
import torch

from finetune.attention.kernels import plan as plans
from finetune.attention.kernels.plan import AttentionPlan, TileBatch, compile_plan

HEADS = 4


def batch(
    allowed: torch.Tensor | None = None, heads: range = range(1, 4), bias: torch.Tensor | None = None
) -> TileBatch:
    """Return 5 tiles of 3 queries and 7 keys, which share no tokens."""
    return TileBatch(torch.arange(15).view(5, 3), torch.arange(35).view(5, 7), allowed, heads, bias)


def compiled(one: TileBatch) -> AttentionPlan:
    return compile_plan([one], 15, 35, HEADS)


@pytest.mark.parametrize("limit", [1, 700, 2000, 10**6])
def test_chunks_hold_each_query_and_key_of_each_head_once(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", limit)
    found = compiled(batch())
    assert sorted(found.queries.rows.tolist()) == [token * HEADS + h for token in range(15) for h in (1, 2, 3)]
    assert sorted(found.keys.rows.tolist()) == [token * HEADS + h for token in range(35) for h in (1, 2, 3)]
    assert found.num_weights == 5 * 3 * 3 * 7
    sizes = [math.prod(chunk.shape) for group in found.groups for chunk in group.chunks]
    assert sum(sizes) == found.num_weights
    assert found.largest_chunk == max(sizes)
    assert all(len(group.chunks) == 1 or group.num_weights <= limit for group in found.groups)
    if limit == 10**6:
        assert len(sizes) == 1


def test_groups_follow_one_another_and_their_chunks_hold_matching_queries_and_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", 100)
    found = compiled(batch())
    stops = [0, 0]
    for number, group in enumerate(found.groups):
        assert group.number == number
        for side, one in enumerate((group.queries, group.keys)):
            assert one.slots.start == stops[side]
            stops[side] = one.slots.stop
            assert sum(map(math.prod, one.shapes)) == one.slots.stop - one.slots.start
        query_rows, key_rows = (one.indices.rows[one.slots] for one in (group.queries, group.keys))
        tiles = query_rows.view(-1, 3)[:, 0] // HEADS // 3  # one a tile and head
        assert torch.equal(tiles, key_rows.view(-1, 7)[:, 0] // HEADS // 7)
        assert torch.equal(query_rows.view(-1, 3)[:, 0] % HEADS, key_rows.view(-1, 7)[:, 0] % HEADS)
    assert stops == [len(found.queries.rows), len(found.keys.rows)]


def test_tiles_in_which_everything_is_allowed_need_no_mask() -> None:
    (chunk,) = compiled(batch()).groups[0].chunks
    assert chunk.additive is None
    assert chunk.empty is None


def test_a_mask_is_added_as_minus_infinity_and_empty_queries_are_set_apart() -> None:
    allowed = torch.ones(5, 1, 3, 7, dtype=torch.bool)
    allowed[0, 0, 0, 2] = False
    allowed[1, 0, 1] = False
    (chunk,) = compiled(batch(allowed)).groups[0].chunks
    assert chunk.additive is not None
    assert chunk.empty is not None
    assert (chunk.additive == -math.inf).nonzero().tolist() == [[0, 0, 0, 2]], "a row of -inf alone would be NaN"
    assert chunk.empty.nonzero().tolist() == [[1, 0, 1, 0]]


def test_padded_queries_are_not_counted_as_empty() -> None:
    one = batch(torch.zeros(5, 1, 3, 7, dtype=torch.bool))
    padded = TileBatch(torch.full((5, 3), -1), one.keys, one.allowed, one.heads)
    (chunk,) = compiled(padded).groups[0].chunks
    assert chunk.empty is None


def test_where_the_first_keys_are_allowed_no_query_is_empty() -> None:
    (chunk,) = compiled(batch(torch.zeros(5, 1, 3, 5, dtype=torch.bool))).groups[0].chunks
    assert chunk.empty is None
    assert chunk.additive is not None
    assert chunk.additive.shape[-1] == 5


def test_chunks_take_their_share_of_masks_and_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", 1)  # one tile and head a chunk
    allowed = torch.rand(5, 3, 3, 7, generator=torch.Generator().manual_seed(0)) > 0.5
    allowed[..., 0] = True
    bias = torch.arange(5 * 3 * 7).view(5, 3, 7)
    chunks = [chunk for group in compiled(batch(allowed, bias=bias)).groups for chunk in group.chunks]
    assert len(chunks) == 15
    for number, chunk in enumerate(chunks):
        tile, head = divmod(number, 3)
        assert chunk.heads == range(head + 1, head + 2)
        assert chunk.additive is not None
        assert chunk.bias_index is not None
        assert not chunk.shares_bias, "though the chunk has a single tile"
        assert torch.equal(chunk.additive[0, 0] == 0, allowed[tile, head])
        assert torch.equal(chunk.bias_index[0], bias[tile])
    shared = bias[:1]
    chunks = [chunk for group in compiled(batch(bias=shared)).groups for chunk in group.chunks]
    assert all(chunk.bias_index is shared and chunk.shares_bias for chunk in chunks)


def test_a_plan_of_nothing_is_empty() -> None:
    found = compile_plan([], 3, 4, HEADS)
    assert found.groups == ()
    assert found.num_weights == found.largest_chunk == 0
