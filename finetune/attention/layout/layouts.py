"""`Padded` and `Ragged`: where the tokens of the examples of a batch lie in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from finetune.attention.masks.scope import AttentionSide, integers

PaddingSide = Literal["left", "right"]


class LayoutError(ValueError):
    """Tensors do not describe where examples lie in memory, or two layouts do not fit together."""


@dataclass(frozen=True, eq=False)
class Padded:
    """Examples as rows of equal length; a row is one run of tokens, with padding before it, after it, or both.

    Args:
        starts: int64 [batch], index in each row of its first token.
        lengths: int64 [batch], number of tokens of each row, which may be 0.
        padded_length: Number of positions of a row, padding included.
        columns: name -> int64 [batch, padded_length], one integer for each token; entries at padding are never read.
        values: name -> int64 [batch], one integer for each example.

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
        """Return the layout that an attention mask describes.

        Args:
            attention_mask: Integers or booleans [batch, padded_length], 1 or True at tokens, 0 or False at padding.
            columns: name -> [batch, padded_length] of any integer type, one integer for each token.
            values: name -> [batch] of any integer type, one integer for each example.
            check: Whether to check that there are no other numbers, and no padding between the tokens of a row. The
                check waits for the device.

        Raises:
            LayoutError: The attention mask has another shape or type, holds other numbers, or has padding between the
                tokens of a row; or a column or value has another shape.
            MaskError: A column or value does not hold integers.
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
        # argmax gives the first of several equal entries: the first token of each row.
        starts = valid.long().argmax(1) if length else valid.new_zeros(batch, dtype=torch.int64)
        layout = cls(starts, valid.sum(1), length, _integers(columns, valid.device), _integers(values, valid.device))
        if check and not torch.equal(layout.valid, valid):
            row = int((layout.valid != valid).any(1).nonzero()[0])
            raise LayoutError(f"row {row} of the attention mask has padding between its tokens")
        return layout

    @property
    def positions(self) -> Tensor:
        """Position of each token in its example, int64 [batch, padded_length]; at padding below 0 or beyond the end."""
        return torch.arange(self.padded_length, device=self.starts.device) - self.starts[:, None]

    @property
    def valid(self) -> Tensor:
        """Whether there is a token, bool [batch, padded_length]."""
        return (self.positions >= 0) & (self.positions < self.lengths[:, None])

    @cached_property
    def token_indices(self) -> Tensor:
        """Indices of the tokens in the flattened rows, int64 [tokens], ascending."""
        return self.valid.flatten().nonzero().flatten()

    def side(self) -> AttentionSide:
        """Return the tokens in the form in which the scope of a mask holds them."""
        rows = torch.arange(len(self.lengths), device=self.starts.device) * self.padded_length
        return AttentionSide(rows + self.starts, self.lengths, {name: c.flatten() for name, c in self.columns.items()})

    def to_ragged(self) -> Ragged:
        """Return the same examples as a stream, in the same order."""
        columns = {name: unpad(column, self) for name, column in self.columns.items()}
        return Ragged(_cumulative(self.lengths), columns, self.values)


@dataclass(frozen=True, eq=False)
class Ragged:
    """Examples one after the other in one stream, without padding.

    Args:
        cu_seqlens: int64 [examples + 1], index of the first token of each example, and at the end the number of tokens.
        columns: name -> int64 [tokens], one integer for each token.
        values: name -> int64 [examples], one integer for each example.

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
        """Return the layout of examples of given lengths.

        Args:
            lengths: Integers [examples], number of tokens of each example.
            columns: name -> [tokens] of any integer type, one integer for each token.
            values: name -> [examples] of any integer type, one integer for each example.

        Raises:
            LayoutError: A column or value has another shape.
            MaskError: The lengths, a column or a value are not integers.
        """
        tensor = integers("lengths", lengths, None)
        layout = cls(_cumulative(tensor), _integers(columns, tensor.device), _integers(values, tensor.device))
        if not isinstance(lengths, Tensor):
            layout.__dict__["sizes"] = tuple(map(int, lengths))  # fills the cached property
        return layout

    @property
    def starts(self) -> Tensor:
        """Index of the first token of each example, int64 [examples]."""
        return self.cu_seqlens[:-1]

    @cached_property
    def lengths(self) -> Tensor:
        """Number of tokens of each example, int64 [examples]."""
        return self.cu_seqlens.diff()

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of tokens of each example, as ints; reading them waits for the device if lengths came as a tensor."""
        return tuple(self.lengths.tolist())

    @cached_property
    def total(self) -> int:
        """Number of tokens in the stream."""
        return sum(self.sizes)

    def to(self, device: torch.device) -> Ragged:
        """Return the same layout on another device."""
        columns = {name: column.to(device, non_blocking=True) for name, column in self.columns.items()}
        values = {name: value.to(device, non_blocking=True) for name, value in self.values.items()}
        moved = Ragged(self.cu_seqlens.to(device, non_blocking=True), columns, values)
        moved.__dict__["sizes"] = self.sizes
        return moved

    def with_features(self, columns: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> Ragged:
        """Return a layout of the same examples with other columns and values in place of its own.

        Args:
            columns: name -> int64 [tokens], one integer for each token.
            values: name -> int64 [examples], one integer for each example.

        Raises:
            LayoutError: A column or value has another shape.
        """
        layout = Ragged(self.cu_seqlens, columns, values)
        layout.__dict__["sizes"] = self.sizes
        return layout

    @cached_property
    def example_ids(self) -> Tensor:
        """The example that each token belongs to, int64 [tokens]."""
        examples = torch.arange(len(self.lengths), device=self.cu_seqlens.device)
        return examples.repeat_interleave(self.lengths, output_size=self.total)

    @cached_property
    def positions(self) -> Tensor:
        """Position of each token in its example, int64 [tokens]."""
        return torch.arange(self.total, device=self.cu_seqlens.device) - self.starts[self.example_ids]

    def side(self) -> AttentionSide:
        """Return the tokens in the form in which the scope of a mask holds them."""
        return AttentionSide(self.starts, self.lengths, self.columns)

    def to_padded(self, side: PaddingSide = "right", padded_length: int | None = None) -> Padded:
        """Return the same examples as rows.

        Args:
            side: The side on which rows are padded.
            padded_length: Number of positions of a row; the length of the longest example if not given.

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
    """Take the entries of tokens out of padded rows; differentiable.

    Args:
        rows: [batch, padded_length, ...].
        layout: The layout of the rows.

    Returns:
        [tokens, ...], of the same type.
    """
    return rows.flatten(0, 1)[layout.token_indices]


def pad(stream: Tensor, layout: Padded, fill: float = 0) -> Tensor:
    """Put the entries of a stream into padded rows; differentiable.

    Args:
        stream: [tokens, ...].
        layout: The layout of the rows.
        fill: The entries at padding.

    Returns:
        [batch, padded_length, ...], of the same type.
    """
    batch = len(layout.lengths)
    flat = stream.new_full((batch * layout.padded_length, *stream.shape[1:]), fill)
    return flat.index_copy(0, layout.token_indices, stream).reshape(batch, layout.padded_length, *stream.shape[1:])


def _cumulative(lengths: Tensor) -> Tensor:
    """Return 0 and the sums of the first 1, 2, ... lengths."""
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0))


def _integers(columns: Mapping[str, Tensor] | None, device: torch.device) -> dict[str, Tensor]:
    return {name: integers(name, column, device) for name, column in (columns or {}).items()}


def _check_shapes(columns: Mapping[str, Tensor], shape: tuple[int, ...]) -> None:
    for name, column in columns.items():
        if column.shape != shape:
            raise LayoutError(f"column {name!r} has shape {list(column.shape)}, expected {list(shape)}")
