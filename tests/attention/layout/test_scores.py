"""Score terms in rows and in streams are those of one example at a time, evaluated pair by pair in plain Python."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.layout import (
    PaddingSide,
    Ragged,
    dense_scores,
    padded_mask,
    padded_scores,
    ragged_mask,
    ragged_scores,
)
from finetune.attention.masks import MaskError, alibi, bias, parse
from tests.attention.expressions import NUM_HEADS, Example, examples
from tests.attention.layout.batches import Batch, batches, padded_with, sides
from tests.attention.score_terms import scored_texts, scores_by_loops

properties = settings(deadline=None, max_examples=60)


def example_of(alone: dict[str, Any]) -> Example:
    return Example(alone["query_length"], alone.get("key_length"), alone["features"], alone.get("key_features"))


def total(scores: tuple[Any, ...], shape: tuple[int, ...]) -> Tensor:
    return sum((each.product(torch.float64) for each in scores), torch.zeros(shape, dtype=torch.float64))


@properties
@given(st.data(), examples())
def test_one_example_is_evaluated_pair_by_pair(data: st.DataObject, example: Example) -> None:
    text = data.draw(scored_texts(in_cross=example.key_length is not None))
    torch.testing.assert_close(dense_scores(parse(text), **example.arguments), scores_by_loops(text, example))


@properties
@given(data=st.data(), batch=batches(), side=sides, extra=st.integers(0, 2))
def test_padded_is_one_example_at_a_time(data: st.DataObject, batch: Batch, side: PaddingSide, extra: int) -> None:
    text = data.draw(scored_texts(in_cross=batch.keys is not None))
    queries = padded_with(batch.queries, side, extra)
    keys = None if batch.keys is None else padded_with(batch.keys, side, 0)
    key_rows = queries if keys is None else keys
    shape = (len(batch.alone), NUM_HEADS, queries.padded_length, key_rows.padded_length)
    found = total(padded_scores(parse(text), queries, keys, num_heads=NUM_HEADS), shape).expand(shape)
    assert found.isfinite().all(), "also at padding"
    for row, alone in enumerate(batch.alone):
        inside = found[row][:, queries.valid[row]][:, :, key_rows.valid[row]]
        torch.testing.assert_close(inside, scores_by_loops(text, example_of(alone)))


@properties
@given(data=st.data(), batch=batches())
def test_a_query_after_cached_tokens_has_its_place_in_the_whole(data: st.DataObject, batch: Batch) -> None:
    mask = parse(data.draw(scored_texts(in_cross=False)))
    rows = padded_with(batch.queries, "left", 1)
    offset = data.draw(st.integers(0, rows.padded_length - 1))
    shape = (len(batch.alone), NUM_HEADS, rows.padded_length, rows.padded_length)
    whole = total(padded_scores(mask, rows, num_heads=NUM_HEADS), shape)
    late = (*shape[:2], rows.padded_length - offset, shape[3])
    found = total(padded_scores(mask, rows, num_heads=NUM_HEADS, query_offset=offset), late)
    # The numbers of padding are arbitrary.
    valid = rows.valid[:, None, offset:, None] & rows.valid[:, None, None]
    torch.testing.assert_close(found * valid, whole[:, :, offset:] * valid)


@properties
@given(data=st.data(), batch=batches())
def test_tiles_of_a_stream_are_one_example_at_a_time(data: st.DataObject, batch: Batch) -> None:
    text = data.draw(scored_texts(in_cross=batch.keys is not None))
    keys = batch.queries if batch.keys is None else batch.keys
    longest = max((*batch.queries.sizes, *keys.sizes), default=0) + 1
    tokens = [
        [list(range(start, start + size)) + [-1] * (longest - size) for start, size in zip(starts, sizes, strict=True)]
        for starts, sizes in ((side.starts.tolist(), side.sizes) for side in (batch.queries, keys))
    ]
    heads = range(1, 3)
    query_tokens, key_tokens = (torch.tensor(each, dtype=torch.int64).reshape(-1, longest) for each in tokens)
    scores = ragged_scores(parse(text).terms, batch.queries, keys, NUM_HEADS, heads, query_tokens, key_tokens)
    shape = (len(batch.alone), len(heads), longest, longest)
    found = total(scores, shape)
    for number, alone in enumerate(batch.alone):
        expected = scores_by_loops(text, example_of(alone))[1:3]
        torch.testing.assert_close(found[number, :, : expected.shape[1], : expected.shape[2]], expected)


def test_rows_and_tiles_that_begin_alike_share_the_numbers_of_positions() -> None:
    mask = alibi() + bias("word", 1)
    stream = Ragged.from_lengths([3, 5], {"word": torch.zeros(8, dtype=torch.int64)})
    by_distance, by_column = padded_scores(mask, stream.to_padded("right"), num_heads=4)
    assert (len(by_distance.pairs), len(by_column.pairs)) == (1, 2)
    assert by_distance.pairs.shape[1] == by_column.pairs.shape[1] == 1, "heads differ by a factor alone"
    by_distance, _ = padded_scores(mask, stream.to_padded("left"), num_heads=4)
    assert len(by_distance.pairs) == 2
    tokens = torch.tensor([[0, 1, 2, -1, -1], [3, 4, 5, 6, 7]])
    by_distance, by_column = ragged_scores(mask.terms, stream, stream, 4, range(4), tokens, tokens)
    assert (len(by_distance.pairs), len(by_column.pairs)) == (1, 2)


def test_a_boolean_result_that_would_lose_scores_is_refused() -> None:
    stream = Ragged.from_lengths([3])
    with pytest.raises(MaskError, match=r"full\(\) \+ alibi\(\) adds to the scores.*numbers of padded_scores"):
        padded_mask(alibi(), stream.to_padded())
    with pytest.raises(MaskError, match=r"give mask\.boolean here, and add the numbers of ragged_scores"):
        ragged_mask(alibi(), stream)
