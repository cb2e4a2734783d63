import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask

from finetune.attention.layout import (
    Padded,
    PaddingSide,
    layout_scope,
    padded_mask,
    ragged_mask,
    special_token_columns,
)
from finetune.attention.masks import Mask, full, global_tokens, none, per_head, same, window
from tests.attention.expressions import NUM_HEADS, masks
from tests.attention.layout.batches import Batch, all_heads, batches, dense_alone, padded_with, sides

properties = settings(deadline=None, max_examples=100)


@properties
@given(mask=masks, batch=batches(), side=sides, extra=st.integers(0, 2))
def test_padded_is_one_example_at_a_time(mask: Mask, batch: Batch, side: PaddingSide, extra: int) -> None:
    queries = padded_with(batch.queries, side, extra)
    keys = None if batch.keys is None else padded_with(batch.keys, side, 0)
    allowed = all_heads(padded_mask(mask, queries, keys, num_heads=NUM_HEADS))
    key_rows = queries if keys is None else keys
    assert allowed.shape == (len(batch.alone), NUM_HEADS, queries.padded_length, key_rows.padded_length)
    for row, example in enumerate(batch.alone):
        inside = allowed[row][:, queries.valid[row]][:, :, key_rows.valid[row]]
        assert torch.equal(inside, dense_alone(mask, example))
    assert not (allowed & ~(queries.valid[:, None, :, None] & key_rows.valid[:, None, None, :])).any()


@properties
@given(mask=masks, batch=batches())
def test_ragged_is_one_example_at_a_time(mask: Mask, batch: Batch) -> None:
    keys = batch.queries if batch.keys is None else batch.keys
    allowed = all_heads(ragged_mask(mask, batch.queries, batch.keys, num_heads=NUM_HEADS))
    expected = torch.zeros(NUM_HEADS, batch.queries.total, keys.total, dtype=torch.bool)
    for number, example in enumerate(batch.alone):
        q, k = (slice(int(s.cu_seqlens[number]), int(s.cu_seqlens[number + 1])) for s in (batch.queries, keys))
        expected[:, q, k] = dense_alone(mask, example)
    assert torch.equal(allowed, expected)


@properties
@given(mask=masks, batch=batches(), data=st.data())
def test_blocks_of_a_stream_are_cut_out_of_the_whole(mask: Mask, batch: Batch, data: st.DataObject) -> None:
    keys = batch.queries if batch.keys is None else batch.keys
    whole = ragged_mask(mask, batch.queries, batch.keys, num_heads=NUM_HEADS)
    whole = torch.nn.functional.pad(whole, (1, 3, 1, 3))
    starts = data.draw(st.lists(st.tuples(*[st.integers(-1, s.total) for s in (batch.queries, keys)]), max_size=3))
    q, k = (torch.tensor([start[i] for start in starts])[:, None] + torch.arange(3) for i in (0, 1))
    blocks = ragged_mask(
        mask, batch.queries, batch.keys, num_heads=NUM_HEADS, query_tokens=q.long(), key_tokens=k.long()
    )
    for block, (first_q, first_k) in zip(blocks, starts, strict=True):
        assert torch.equal(block, whole[:, first_q + 1 : first_q + 4, first_k + 1 : first_k + 4])


@properties
@given(mask=masks, batch=batches().filter(lambda batch: batch.queries.total > 0), side=sides)
def test_a_mask_is_one_elementwise_predicate(mask: Mask, batch: Batch, side: PaddingSide) -> None:
    """FlexAttention evaluates a mask by tracing it for a single pair of scalars."""
    queries = batch.queries.to_padded(side)
    keys = queries if batch.keys is None else batch.keys.to_padded(side, 6)

    def mask_mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return mask.allowed(layout_scope(queries, keys, b, NUM_HEADS), h, q - queries.starts[b], k - keys.starts[b])

    allowed = create_mask(
        mask_mod, len(batch.alone), NUM_HEADS, queries.padded_length, keys.padded_length, device="cpu"
    )
    valid = queries.valid[:, None, :, None] & keys.valid[:, None, None, :]
    assert torch.equal(allowed & valid, all_heads(padded_mask(mask, queries, keys, num_heads=NUM_HEADS)))


@properties
@given(mask=masks, batch=batches(), side=sides, offset=st.integers(0, 6), width=st.integers(0, 3))
def test_generation_with_a_cache_evaluates_the_last_rows(
    mask: Mask, batch: Batch, side: PaddingSide, offset: int, width: int
) -> None:
    queries = batch.queries.to_padded(side, 9)
    keys = None if batch.keys is None else batch.keys.to_padded("right", 6)
    whole = padded_mask(mask, queries, keys, num_heads=NUM_HEADS)
    asked = padded_mask(mask, queries, keys, num_heads=NUM_HEADS, query_offset=offset, query_length=width)
    assert torch.equal(asked, whole[:, :, offset : offset + width])


def test_negative_positions_count_from_the_end_of_the_example() -> None:
    layout = Padded.from_attention_mask(torch.tensor([[1, 1, 1, 0, 0]]))
    assert padded_mask(global_tokens(-1), layout)[0, 0].int()[:3, :3].tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 1]]


def test_columns_are_read_at_the_tokens_of_the_example() -> None:
    words = torch.tensor([[9, 9, 0, 1, 1], [9, 0, 0, 1, 2]])
    layout = Padded.from_attention_mask((words < 9).long(), {"word": words})
    inside = [
        padded_mask(same("word"), layout)[row, 0, start:, start:].int().tolist() for row, start in ((0, 2), (1, 1))
    ]
    assert inside == [
        [[1, 0, 0], [0, 1, 1], [0, 1, 1]],
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    ]


def test_heads_are_evaluated_where_they_differ() -> None:
    layout = Padded.from_attention_mask(torch.ones(2, 3).long())
    assert padded_mask(window(1), layout, num_heads=4).shape == (2, 1, 3, 3)
    assert padded_mask(per_head(full(), none()), layout, num_heads=4).sum((0, 2, 3)).tolist() == [18, 18, 0, 0]


def test_special_tokens_become_columns() -> None:
    input_ids = torch.tensor([[101, 7, 102, 8, 102]])
    marks = special_token_columns(input_ids, {"cls": 101, "sep": 102, "entity": [7, 8]})
    assert {name: column.tolist()[0] for name, column in marks.items()} == {
        "is_cls": [1, 0, 0, 0, 0],
        "is_sep": [0, 0, 1, 0, 1],
        "is_entity": [0, 1, 0, 1, 0],
    }
    layout = Padded.from_attention_mask(torch.ones_like(input_ids), marks)
    assert torch.equal(padded_mask(global_tokens("cls"), layout)[0], global_tokens(0).dense(5))
