"""Random batches, as streams and example by example."""

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.layout import (
    Padded,
    PaddingSide,
    Ragged,
)
from finetune.attention.masks import Mask
from tests.attention.expressions import NUM_HEADS, columns

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


def padded_with(stream: Ragged, side: PaddingSide, extra: int) -> Padded:
    longest = max(stream.lengths.tolist(), default=0)
    return stream.to_padded(side, longest + extra)
