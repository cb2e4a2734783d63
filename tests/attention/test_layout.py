from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask

from finetune.attention.layout import (
    LayoutError,
    Padded,
    PaddingSide,
    Ragged,
    layout_scope,
    pad,
    padded_mask,
    ragged_mask,
    special_token_columns,
    unpad,
)
from finetune.attention.masks import Mask, causal, full, global_tokens, none, per_head, same, window
from tests.attention.expressions import NUM_HEADS, columns, masks

properties = settings(deadline=None, max_examples=100)
sides: st.SearchStrategy[PaddingSide] = st.sampled_from(["left", "right"])


@dataclass(frozen=True)
class Batch:
    """Examples as a stream of queries and one of keys, the same in self-attention, and each by itself."""

    queries: Ragged
    keys: Ragged | None
    alone: list[dict[str, Any]]


def stream(examples: list[dict[str, list[int]]], lengths: list[int], values: dict[str, list[int]]) -> Ragged:
    joined = {name: [number for each in examples for number in each[name]] for name in ("word", "is_cls")}
    return Ragged.from_lengths(
        lengths,
        {name: torch.tensor(numbers, dtype=torch.int64) for name, numbers in joined.items()},
        {name: torch.tensor(numbers, dtype=torch.int64) for name, numbers in values.items()},
    )


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    lengths = draw(st.lists(st.integers(0, 6), min_size=0, max_size=4))
    values = [draw(st.integers(0, 6)) for _ in lengths]
    query_columns = [columns(draw, length) for length in lengths]
    queries = stream(query_columns, lengths, {"source_length": values})
    features = [{**each, "source_length": value} for each, value in zip(query_columns, values, strict=True)]
    alone: list[dict[str, Any]] = [
        {"query_length": length, "features": each} for length, each in zip(lengths, features, strict=True)
    ]
    if draw(st.booleans()):
        return Batch(queries, None, alone)
    key_lengths = [draw(st.integers(0, 6)) for _ in lengths]
    key_columns = [columns(draw, length) for length in key_lengths]
    both = zip(alone, key_lengths, key_columns, strict=True)
    alone = [{**each, "key_length": length, "key_features": features} for each, length, features in both]
    return Batch(queries, stream(key_columns, key_lengths, {}), alone)


def dense_alone(mask: Mask, example: dict[str, Any]) -> Tensor:
    return mask.dense(num_heads=NUM_HEADS, **example)


def all_heads(allowed: Tensor) -> Tensor:
    return allowed.expand(*allowed.shape[:-3], NUM_HEADS, *allowed.shape[-2:])


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


def padded_with(stream: Ragged, side: PaddingSide, extra: int) -> Padded:
    longest = max(stream.lengths.tolist(), default=0)
    return stream.to_padded(side, longest + extra)


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
    """As FlexAttention evaluates it: traced for a single pair of numbers."""
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
def test_generation_with_a_cache_asks_for_the_last_rows(
    mask: Mask, batch: Batch, side: PaddingSide, offset: int, width: int
) -> None:
    queries = batch.queries.to_padded(side, 9)
    keys = None if batch.keys is None else batch.keys.to_padded("right", 6)
    whole = padded_mask(mask, queries, keys, num_heads=NUM_HEADS)
    asked = padded_mask(mask, queries, keys, num_heads=NUM_HEADS, query_offset=offset, query_length=width)
    assert torch.equal(asked, whole[:, :, offset : offset + width])


@properties
@given(batch=batches(), side=sides, extra=st.integers(0, 2))
def test_conversions_keep_every_token(batch: Batch, side: PaddingSide, extra: int) -> None:
    stream = batch.queries
    rows = padded_with(stream, side, extra)
    again = rows.to_ragged()
    assert torch.equal(again.cu_seqlens, stream.cu_seqlens)
    assert torch.equal(rows.lengths, stream.lengths)
    for name, column in stream.columns.items():
        assert torch.equal(again.columns[name], column)
    assert torch.equal(again.values["source_length"], stream.values["source_length"])
    assert torch.equal(unpad(rows.positions, rows), stream.positions)
    hidden = torch.randn(stream.total, 2, 3)
    assert torch.equal(unpad(pad(hidden, rows), rows), hidden)
    assert pad(hidden, rows, fill=7.0)[~rows.valid].eq(7.0).all()


@properties
@given(batch=batches(), side=sides, extra=st.integers(0, 2))
def test_an_attention_mask_tells_the_layout(batch: Batch, side: PaddingSide, extra: int) -> None:
    rows = padded_with(batch.queries, side, extra)
    told = Padded.from_attention_mask(rows.valid.long(), rows.columns, rows.values)
    assert torch.equal(told.lengths, rows.lengths)
    assert torch.equal(told.valid, rows.valid)
    assert torch.equal(unpad(told.positions, told), batch.queries.positions)


def test_padding_may_stand_on_both_sides() -> None:
    layout = Padded.from_attention_mask(torch.tensor([[False, True, True, False]]))
    assert padded_mask(causal(), layout)[0, 0].int().tolist() == [[0] * 4, [0, 1, 0, 0], [0, 1, 1, 0], [0] * 4]


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


def test_gradients_pass_through_conversions() -> None:
    rows = Ragged.from_lengths([2, 0, 3]).to_padded("left")
    hidden = torch.randn(3, 3, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(pad(unpad(hidden, rows), rows).sum(), hidden)
    assert torch.equal(gradient, rows.valid[..., None].expand(3, 3, 2).float())


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


def test_tensors_that_describe_no_examples() -> None:
    with pytest.raises(LayoutError, match="row 1 of the attention mask has padding between its tokens"):
        Padded.from_attention_mask(torch.tensor([[1, 1, 0], [1, 0, 1]]))
    with pytest.raises(LayoutError, match=r"1 at tokens and 0 at padding; got torch.float32 of shape \[1, 2\]"):
        Padded.from_attention_mask(torch.zeros(1, 2))
    with pytest.raises(LayoutError, match="and no other numbers"):
        Padded.from_attention_mask(torch.tensor([[1, 1, 2]]))
    with pytest.raises(LayoutError, match=r"got torch.int64 of shape \[1, 1, 2\]"):
        Padded.from_attention_mask(torch.ones(1, 1, 2).long())
    with pytest.raises(LayoutError, match=r"column 'word' has shape \[3\], expected \[1, 3\]"):
        Padded.from_attention_mask(torch.ones(1, 3).long(), {"word": torch.zeros(3).long()})
    with pytest.raises(LayoutError, match=r"column 'word' has shape \[3\], expected \[4\]"):
        Ragged.from_lengths([1, 3], {"word": torch.zeros(3).long()})
    with pytest.raises(LayoutError, match=r"column 'n' has shape \[3\], expected \[2\]"):
        Ragged.from_lengths([1, 3], values={"n": torch.zeros(3).long()})
    with pytest.raises(LayoutError, match="an example of 3 tokens does not fit rows of 2 columns"):
        Ragged.from_lengths([1, 3]).to_padded(padded_length=2)
    with pytest.raises(LayoutError, match="2 examples of queries and 1 of keys"):
        ragged_mask(same("word"), Ragged.from_lengths([1, 3]), Ragged.from_lengths([2]))
