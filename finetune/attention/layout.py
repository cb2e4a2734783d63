"""Where examples lie in memory: as padded rows, or one after the other in a ragged stream.

Masks speak of one example in its own coordinates; a layout translates. It alone knows of padding and neighbours,
and never allows a pair that touches padding or crosses from one example into another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from finetune.attention.masks.base import Mask
from finetune.attention.masks.global_tokens import mark_column
from finetune.attention.masks.scope import AttentionSide, Scope, integers

PaddingSide = Literal["left", "right"]


class LayoutError(ValueError):
    """Tensors do not describe examples in memory."""


@dataclass(frozen=True, eq=False)
class Padded:
    """Examples as rows of equal length, each one run of tokens with padding before it, after it, or both.

    Args:
        starts: int64 [batch], the column of each row's first token.
        lengths: int64 [batch], tokens of each row; may be 0.
        padded_length: Columns of a row.
        columns: name -> int64 [batch, padded_length], one integer a token; what it holds at padding is never read.
        values: name -> int64 [batch], one integer an example.

    Raises:
        LayoutError: A column or value has another shape.
    """

    starts: Tensor
    lengths: Tensor
    padded_length: int
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_shapes(self.columns, (len(self.lengths), self.padded_length))
        _check_shapes(self.values, (len(self.lengths),))

    @classmethod
    def from_attention_mask(
        cls,
        attention_mask: Tensor,
        columns: Mapping[str, Tensor] | None = None,
        values: Mapping[str, Tensor] | None = None,
        check: bool = True,
    ) -> Padded:
        """The layout of an attention mask [batch, padded_length]: 1 or True at tokens, 0 or False at padding.

        Args:
            attention_mask: Integers or booleans.
            columns: As of the class, of any integer type.
            values: Likewise.
            check: Whether to look for other numbers, and for padding between tokens, which waits for the device.

        Raises:
            LayoutError: Of another shape or type, with other numbers, or with padding between the tokens of a row.
        """
        if attention_mask.ndim != 2 or attention_mask.is_floating_point():
            raise LayoutError(
                "an attention mask has shape [batch, tokens] and integers or booleans, 1 at tokens and 0 at padding; "
                f"got {attention_mask.dtype} of shape {list(attention_mask.shape)}"
            )
        if check and attention_mask.dtype != torch.bool and bool((attention_mask.clamp(0, 1) != attention_mask).any()):
            raise LayoutError("an attention mask holds 1 at tokens and 0 at padding, and no other numbers")
        valid = attention_mask != 0
        batch, length = valid.shape
        starts = valid.long().argmax(1) if length else valid.new_zeros(batch, dtype=torch.int64)
        layout = cls(starts, valid.sum(1), length, _integers(columns, valid.device), _integers(values, valid.device))
        if check and not torch.equal(layout.valid, valid):
            row = int((layout.valid != valid).any(1).nonzero()[0])
            raise LayoutError(f"row {row} of the attention mask has padding between its tokens")
        return layout

    @property
    def positions(self) -> Tensor:
        """int64 [batch, padded_length], each token's position in its example; outside 0 .. length - 1 at padding."""
        return torch.arange(self.padded_length, device=self.starts.device) - self.starts[:, None]

    @property
    def valid(self) -> Tensor:
        """Whether there is a token: bool [batch, padded_length]."""
        return (self.positions >= 0) & (self.positions < self.lengths[:, None])

    @cached_property
    def token_indices(self) -> Tensor:
        """int64 [tokens], where the tokens lie in the flattened rows, in order."""
        return self.valid.flatten().nonzero().flatten()

    def side(self) -> AttentionSide:
        """The tokens as a mask's scope wants them."""
        rows = torch.arange(len(self.lengths), device=self.starts.device) * self.padded_length
        return AttentionSide(rows + self.starts, self.lengths, {name: c.flatten() for name, c in self.columns.items()})

    def to_ragged(self) -> Ragged:
        """The same examples as a stream, in the same order."""
        columns = {name: unpad(column, self) for name, column in self.columns.items()}
        return Ragged(_cumulative(self.lengths), columns, self.values)


@dataclass(frozen=True, eq=False)
class Ragged:
    """Examples one after the other in one stream, without padding.

    Args:
        cu_seqlens: int64 [examples + 1], where each example starts, and the total at the end.
        columns: name -> int64 [tokens], one integer a token.
        values: name -> int64 [examples], one integer an example.

    Raises:
        LayoutError: A column or value has another shape.
    """

    cu_seqlens: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.columns:
            _check_shapes(self.columns, (self.total,))
        _check_shapes(self.values, (len(self.lengths),))

    @classmethod
    def from_lengths(
        cls,
        lengths: Tensor | Sequence[int],
        columns: Mapping[str, Tensor] | None = None,
        values: Mapping[str, Tensor] | None = None,
    ) -> Ragged:
        """The layout of examples of these lengths; columns and values may be of any integer type."""
        tensor = integers("lengths", lengths, None)
        layout = cls(_cumulative(tensor), _integers(columns, tensor.device), _integers(values, tensor.device))
        if not isinstance(lengths, Tensor):
            layout.__dict__["sizes"] = tuple(map(int, lengths))
        return layout

    @property
    def starts(self) -> Tensor:
        """int64 [examples], the index of each example's first token."""
        return self.cu_seqlens[:-1]

    @cached_property
    def lengths(self) -> Tensor:
        """int64 [examples], tokens of each example."""
        return self.cu_seqlens.diff()

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The lengths as numbers, which waits for the device where they came as a tensor."""
        return tuple(self.lengths.tolist())

    @cached_property
    def total(self) -> int:
        """Tokens in the stream."""
        return sum(self.sizes)

    def to(self, device: torch.device) -> Ragged:
        """The same layout on `device`."""
        columns = {name: column.to(device, non_blocking=True) for name, column in self.columns.items()}
        values = {name: value.to(device, non_blocking=True) for name, value in self.values.items()}
        moved = Ragged(self.cu_seqlens.to(device, non_blocking=True), columns, values)
        moved.__dict__["sizes"] = self.sizes
        return moved

    def with_features(self, columns: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> Ragged:
        """The same examples with these columns and values in place of its own."""
        layout = Ragged(self.cu_seqlens, columns, values)
        layout.__dict__["sizes"] = self.sizes
        return layout

    @cached_property
    def example_ids(self) -> Tensor:
        """int64 [tokens], the example that each token belongs to."""
        examples = torch.arange(len(self.lengths), device=self.cu_seqlens.device)
        return examples.repeat_interleave(self.lengths, output_size=self.total)

    @cached_property
    def positions(self) -> Tensor:
        """int64 [tokens], each token's position in its example."""
        return torch.arange(self.total, device=self.cu_seqlens.device) - self.starts[self.example_ids]

    def side(self) -> AttentionSide:
        """The tokens as a mask's scope wants them."""
        return AttentionSide(self.starts, self.lengths, self.columns)

    def to_padded(self, side: PaddingSide = "right", padded_length: int | None = None) -> Padded:
        """The same examples as rows, with padding on the right or left.

        Args:
            side: Where the padding goes.
            padded_length: Columns of a row; those of the longest example if not given.

        Raises:
            LayoutError: An example is longer than `padded_length`.
        """
        longest = int(self.lengths.max()) if len(self.lengths) else 0
        length = longest if padded_length is None else padded_length
        if longest > length:
            raise LayoutError(f"an example of {longest} tokens does not fit rows of {length} columns")
        starts = length - self.lengths if side == "left" else torch.zeros_like(self.lengths)
        layout = Padded(starts, self.lengths, length, {}, self.values)
        columns = {name: pad(column, layout) for name, column in self.columns.items()}
        return Padded(starts, self.lengths, length, columns, self.values)


def unpad(rows: Tensor, layout: Padded) -> Tensor:
    """The tokens' entries of [batch, padded_length, ...] as a stream [tokens, ...]; differentiable."""
    return rows.flatten(0, 1)[layout.token_indices]


def pad(stream: Tensor, layout: Padded, fill: float = 0) -> Tensor:
    """A stream [tokens, ...] as rows [batch, padded_length, ...], `fill` at padding; differentiable."""
    batch = len(layout.lengths)
    flat = stream.new_full((batch * layout.padded_length, *stream.shape[1:]), fill)
    return flat.index_copy(0, layout.token_indices, stream).reshape(batch, layout.padded_length, *stream.shape[1:])


def padded_mask(
    mask: Mask,
    queries: Padded,
    keys: Padded | None = None,
    *,
    num_heads: int = 1,
    query_offset: int = 0,
    query_length: int | None = None,
) -> Tensor:
    """The mask of a padded batch, padding excluded on both sides.

    Args:
        mask: Who may attend to whom.
        queries: The rows of the queries.
        keys: The rows of the keys in cross-attention; None in self-attention.
        num_heads: Attention heads.
        query_offset: First column of `queries` that asks: in generation with a cache, `queries` has all tokens so
            far and only the last columns ask.
        query_length: Number of columns that ask; all from `query_offset` on if not given.

    Returns:
        bool [batch, heads, queries, keys]; there is one head where the mask is the same in all.

    Raises:
        MaskError: A column is missing, or the number of heads does not fit.
        LayoutError: The sides have different numbers of examples.
    """
    keys = queries if keys is None else keys
    stop = queries.padded_length if query_length is None else query_offset + query_length
    q = queries.positions[:, None, query_offset:stop, None]  # [batch, 1, queries, 1]
    k = keys.positions[:, None, None, :]  # [batch, 1, 1, keys]
    valid = queries.valid[:, None, query_offset:stop, None] & keys.valid[:, None, None, :]
    example = torch.arange(len(queries.lengths), device=q.device)[:, None, None, None]
    scope = layout_scope(queries, keys, example, num_heads)
    head = torch.arange(num_heads if mask.needs.by_head else 1, device=q.device)[:, None, None]
    return mask.allowed(scope, head, q, k) & valid & (head == head)


def ragged_mask(
    mask: Mask,
    queries: Ragged,
    keys: Ragged | None = None,
    *,
    num_heads: int = 1,
    query_tokens: Tensor | None = None,
    key_tokens: Tensor | None = None,
) -> Tensor:
    """The mask between tokens of a stream, False between examples.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys in cross-attention; None in self-attention.
        num_heads: Attention heads.
        query_tokens: int64 [..., queries], indices into the stream; whatever lies outside is never allowed. All
            tokens if not given.
        key_tokens: int64 [..., keys], likewise.

    Returns:
        bool [..., heads, queries, keys]; there is one head where the mask is the same in all.

    Raises:
        MaskError: A column is missing, or the number of heads does not fit.
        LayoutError: The sides have different numbers of examples.
    """
    keys = queries if keys is None else keys
    q, query_example = _locate(queries, query_tokens)
    k, key_example = _locate(keys, key_tokens)
    q, query_example = q[..., None, :, None], query_example[..., None, :, None]  # [..., 1, queries, 1]
    k, key_example = k[..., None, None, :], key_example[..., None, None, :]  # [..., 1, 1, keys]
    scope = layout_scope(queries, keys, query_example.clamp(min=0), num_heads)
    head = torch.arange(num_heads if mask.needs.by_head else 1, device=q.device)[:, None, None]
    together = (query_example == key_example) & (query_example >= 0)
    if not len(queries.lengths):
        return together & (head == head)
    return mask.allowed(scope, head, q, k) & together & (head == head)


def layout_scope(queries: Padded | Ragged, keys: Padded | Ragged, example: Tensor, num_heads: int) -> Scope:
    """What masks can ask about the examples of a layout.

    Args:
        queries: Where the queries lie.
        keys: Where the keys lie; the same object in self-attention.
        example: int64, the example each element of the evaluation belongs to.
        num_heads: Attention heads.

    Raises:
        LayoutError: The sides have different numbers of examples.
    """
    if len(queries.lengths) != len(keys.lengths):
        raise LayoutError(f"there are {len(queries.lengths)} examples of queries and {len(keys.lengths)} of keys")
    query_side = queries.side()
    key_side = query_side if keys is queries else keys.side()
    return Scope(query_side, key_side, example, num_heads, {**queries.values, **keys.values})


def special_token_columns(input_ids: Tensor, token_ids: Mapping[str, int | Sequence[int]]) -> dict[str, Tensor]:
    """Token columns that mark special tokens, as `global_tokens(cls)` reads them.

    Args:
        input_ids: Integers of any shape.
        token_ids: name -> the token's id, or several: {"cls": 101, "sep": 102}.

    Returns:
        "is_<name>" -> int64, 1 at those tokens, 0 elsewhere, of the shape of `input_ids`.
    """
    return {
        mark_column(name): torch.isin(input_ids, torch.as_tensor(ids, device=input_ids.device)).long()
        for name, ids in token_ids.items()
    }


def _locate(layout: Ragged, tokens: Tensor | None) -> tuple[Tensor, Tensor]:
    """Position and example of tokens of the stream; the example is -1 outside it."""
    if tokens is None:
        return layout.positions, layout.example_ids
    inside = (tokens >= 0) & (tokens < layout.total)
    if not layout.total:
        return torch.zeros_like(tokens), torch.full_like(tokens, -1)
    index = tokens.clamp(0, layout.total - 1)
    return layout.positions[index], layout.example_ids[index].where(inside, -1)


def _cumulative(lengths: Tensor) -> Tensor:
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0))


def _integers(columns: Mapping[str, Tensor] | None, device: torch.device) -> dict[str, Tensor]:
    return {name: integers(name, column, device) for name, column in (columns or {}).items()}


def _check_shapes(columns: Mapping[str, Tensor], shape: tuple[int, ...]) -> None:
    for name, column in columns.items():
        if column.shape != shape:
            raise LayoutError(f"column {name!r} has shape {list(column.shape)}, expected {list(shape)}")
