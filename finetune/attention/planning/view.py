"""A head's mask between two streams, evaluated for chosen queries and keys, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from finetune.attention.layout import Ragged, layout_scope
from finetune.attention.masks import Bounds, Mask, Span
from finetune.attention.masks.scope import Scope

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

AT_ONCE = 2**17
"""Pairs, or blocks of pairs, that are evaluated together: what they need stays in the cache."""


@dataclass(frozen=True, eq=False)
class View:
    """What a plan asks about a mask.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries, on the CPU.
        keys: The stream of the keys, on the CPU; the same object in self-attention.
        num_heads: Attention heads.
        head: The head asked about.
    """

    mask: Mask
    queries: Ragged
    keys: Ragged
    num_heads: int
    head: int

    @cached_property
    def query_sizes(self) -> Integers:
        """Queries of each example."""
        return np.asarray(self.queries.sizes, dtype=np.int64)

    @cached_property
    def query_starts(self) -> Integers:
        """Where each example's queries start in their stream."""
        starts: Integers = np.cumsum(self.query_sizes) - self.query_sizes
        return starts

    @cached_property
    def key_starts(self) -> Integers:
        """Where each example's keys start in their stream."""
        starts: Integers = np.cumsum(self.key_sizes) - self.key_sizes
        return starts

    @cached_property
    def key_sizes(self) -> Integers:
        """Keys of each example."""
        return np.asarray(self.keys.sizes, dtype=np.int64)

    def check(self) -> None:
        """Raises MaskError where the mask cannot be evaluated: bounds do not say what is missing."""
        self.allowed(*(np.zeros(min(1, len(self.query_sizes)), dtype=np.int64) for _ in range(3)))

    def bounds(
        self,
        examples: Integers,
        first_query: Integers,
        last_query: Integers,
        first_key: Integers,
        last_key: Integers,
        steps: tuple[int, int] = (1, 1),
    ) -> tuple[Booleans, Booleans]:
        """Where any pair is possible and where all are certain, for blocks of pairs of examples [blocks, ...].

        All arrays broadcast to the answers' shape; ends are included, and the steps are those of `Span`.
        """

        def evaluate(example: Tensor, *ends: Tensor) -> Tensor:
            first_q, last_q, first_k, last_k = ends
            queries, keys = Span(first_q, last_q, steps[0]), Span(first_k, last_k, steps[1])
            found = self.mask.bounds(self._scope(example), torch.tensor(self.head), queries, keys)
            return _stacked(found, _shape(example, *ends))

        possible, certain = _in_chunks(evaluate, examples, first_query, last_query, first_key, last_key)
        return possible, certain

    def allowed(self, examples: Integers, queries: Integers, keys: Integers) -> Booleans:
        """Which pairs are allowed; all arguments broadcast to the answer's shape [rows, ...]."""

        def evaluate(example: Tensor, q: Tensor, k: Tensor) -> Tensor:
            found = self.mask.allowed(self._scope(example), torch.tensor(self.head), q, k)
            allowed: Tensor = found.expand(_shape(example, q, k))[None]
            return allowed

        answer: Booleans = _in_chunks(evaluate, examples, queries, keys)[0]
        return answer

    def _scope(self, example: Tensor) -> Scope:
        return layout_scope(self.queries, self.keys, example, self.num_heads)


def _stacked(bounds: Bounds, shape: torch.Size) -> Tensor:
    return torch.stack([bounds.possible.expand(shape), bounds.certain.expand(shape)])


def _shape(*tensors: Tensor) -> torch.Size:
    return torch.Size(np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors)))


def _in_chunks(evaluate: Callable[..., Tensor], *arguments: Integers) -> Booleans:
    """[answers, rows, ...] of arguments [rows, ...], evaluated a few rows at a time."""
    shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
    rows = max(1, AT_ONCE // max(1, int(np.prod(shape[1:]))))
    tensors = [torch.from_numpy(argument).expand(shape[0], *argument.shape[1:]) for argument in arguments]
    chunks = [
        evaluate(*(tensor[start : start + rows] for tensor in tensors)) for start in range(0, max(shape[0], 1), rows)
    ]
    answers: Booleans = torch.cat(chunks, dim=1).numpy()
    return answers
