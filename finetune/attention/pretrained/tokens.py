"""The tokens of a call, and the request for masks that is passed through transformers to the mask function.

Tokens lie in padded rows, [batch, width], or in one ragged stream, which the model sees as a single row, [1, tokens].

Of the arguments of a stack, transformers passes only `attention_mask` on to the mask function. So a hook puts a
`MaskRequest` in its place, which holds the padding, the columns and the masks. It has the few attributes of a 2-D
attention mask that transformers uses: `ndim`, `shape` and `to`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from finetune.attention.layout import Padded, Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.scope import integers
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.size_bucketing import bucketed_length
from finetune.attention.program import SiteName

COLUMN_KEY, VALUE_KEY = "mask_column_", "mask_value_"
"""Prefixes of the names of the source's columns and values in the encoder's output."""

BatchFeatures = Mapping[str, Tensor]
"""Integers that masks read, by name: [batch, tokens] for a token column, [batch] for a value of each example; for a
ragged stream [1, tokens] and [examples]."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one side of a batch.

    Args:
        batch: Number of rows; 1 for a stream.
        padded_length: Number of positions of a row, or of a stream with the padding that bucketing adds.
        device: The device of the inputs.
        valid: bool [batch, width], True at tokens; None where there is no padding.
        columns: Token columns, int64 [batch, width]; in generation with a cache only the last columns of the rows.
        values: Values of the examples, int64 [batch]; int64 [examples] for a stream.
        stream: Where the examples lie in the one row of a ragged stream; None for padded rows.
        ids: The encoder's input_ids [1, tokens], where they are not passed in its own arguments (`EndOfTextHook`).
        positions_known: Whether ids, an attention mask or a layout show which positions hold tokens; embeddings alone
            do not.
    """

    batch: int
    padded_length: int
    device: torch.device
    valid: Tensor | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict)
    stream: Ragged | None = None
    ids: Tensor | None = None
    positions_known: bool = True

    @property
    def longest(self) -> int:
        """Length of the longest example in a stream, or `padded_length` of padded rows."""
        return self.padded_length if self.stream is None else max(self.stream.sizes, default=0)

    @property
    def ragged(self) -> Ragged:
        """The layout of a stream with the columns and values that masks read; only for a stream."""
        assert self.stream is not None
        # The columns [1, tokens] of the model become [tokens].
        return self.stream.with_features({name: column[0] for name, column in self.columns.items()}, self.values)

    def layout(self) -> Padded:
        """Return the layout of padded rows, with the columns and values that masks read.

        Raises:
            LayoutError: A row has padding between its tokens.
        """
        # In a step of generation, columns hold the new tokens alone and cannot be used for the whole rows.
        columns = {name: column for name, column in self.columns.items() if column.shape[1] == self.padded_length}
        valid = (
            torch.ones(self.batch, self.padded_length, dtype=torch.bool, device=self.device)
            if self.valid is None
            else self.valid
        )
        # The check for padding between tokens reads values, which would break a graph that is compiled.
        return Padded.from_attention_mask(valid, columns, self.values, check=not torch.compiler.is_compiling())

    def last(self, count: int, whole: Padded) -> Padded:
        """Return the last positions of padded rows as a layout of their own.

        Args:
            count: Number of positions to keep.
            whole: The layout of all positions.
        """
        # The start of a row lies before the kept positions, at a negative index, so that a token keeps its position in
        # its example.
        columns = {name: column[:, -count:] for name, column in self.columns.items()}
        return Padded(whole.starts - (self.padded_length - count), whole.lengths, count, columns, self.values)


def bucketed(tokens: Tokens) -> Tokens:
    """Return tokens of a stream with the `padded_length` of bucketing; tokens of padded rows are returned unchanged."""
    if tokens.stream is None:
        return tokens
    return replace(tokens, padded_length=bucketed_length(tokens.stream.total, tokens.device))


@dataclass(frozen=True, eq=False)
class MaskRequest:
    """A request for the masks of one site, in place of the attention mask that transformers passes on.

    Args:
        site: The site.
        masks: The different masks of the site's layers.
        num_heads: Number of attention heads.
        queries: The stack's own tokens, including those in the cache.
        keys: The tokens that are attended to; the same object as `queries` in self-attention.
        past: Number of tokens in the cache, which come before the first query.
        head_dim: Size of one attention head.
        has_relative_bias: Whether the attention adds a relative bias to the scores.
        kernel: The kernel that computes attention in a stream; None leaves the choice to the plan.
    """

    site: SiteName
    masks: tuple[Mask, ...]
    num_heads: int
    queries: Tokens
    keys: Tokens
    past: int = 0
    head_dim: int = 64
    has_relative_bias: bool = False
    kernel: str | None = None

    # transformers uses a 2-D attention mask as it is, and reads these three attributes of it.
    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the attention mask that the request replaces."""
        return (self.keys.batch, self.keys.padded_length)

    @property
    def query_length(self) -> int:
        """Number of positions of the queries, without those in the cache."""
        return self.queries.padded_length - self.past

    @property
    def is_step(self) -> bool:
        """Whether the queries are one token of each row, after others that are in the cache."""
        return self.past > 0 and self.query_length == 1

    def to(self, *args: object, **kwargs: object) -> MaskRequest:
        """Return the request itself; transformers casts the attention mask to bool and moves it to a device."""
        return self


def check_attention_mask(attention_mask: object, batch: int, width: int, name: str) -> Tensor | None:
    """Return an attention mask as bool [batch, width].

    Args:
        attention_mask: A boolean or integer tensor [batch, width], 1 at tokens and 0 at padding, or None.
        batch: Number of rows of the tokens.
        width: Number of positions of a row.
        name: The name of the argument, for messages.

    Returns:
        The mask, or None if there is none.

    Raises:
        PretrainedError: The mask is not a tensor of that shape, or its numbers may follow another convention.
    """
    if attention_mask is None:
        return None
    if not isinstance(attention_mask, Tensor) or attention_mask.ndim != 2:
        shape = list(attention_mask.shape) if isinstance(attention_mask, Tensor) else type(attention_mask).__name__
        raise PretrainedError(
            f"{name} must be a tensor [batch, tokens] with 1 at tokens and 0 at padding, got {shape}: who may attend "
            "to whom is given by the program of masks, not by a mask of more dimensions (static caches, which create "
            "such masks, are not supported)"
        )
    if tuple(attention_mask.shape) != (batch, width):
        raise PretrainedError(
            f"{name} has shape {list(attention_mask.shape)}, but the tokens are [{batch}, {width}]; give a mask of "
            "that shape. Prompts that are put before the tokens as keys alone (prefix tuning) cannot be combined with "
            "masks"
        )
    _check_convention(attention_mask, name)
    return attention_mask.bool()


def _check_convention(attention_mask: Tensor, name: str) -> None:
    """Raise an error for a mask whose numbers may mean something else than 1 at tokens and 0 at padding.

    Raises:
        PretrainedError: The mask holds floats, or integers other than 0 and 1.
    """
    if attention_mask.dtype == torch.bool:
        return
    found = None
    if attention_mask.is_floating_point() or attention_mask.is_complex():
        found = f"{attention_mask.dtype}, as in masks that are added to the scores, 0 at tokens and -inf at padding"
    # The numbers are not read while a graph is compiled, because that would break the graph.
    elif not torch.compiler.is_compiling() and bool((attention_mask.clamp(0, 1) != attention_mask).any()):
        lowest, highest = (int(extreme) for extreme in attention_mask.aminmax())
        found = f"numbers from {lowest} to {highest}"
    if found is not None:
        raise PretrainedError(
            f"{name} must be boolean or hold the integers 1 at tokens and 0 at padding, got {found}; convert it by "
            "finetune.attention.layers.to_allowed(mask, convention), where convention names what its numbers mean. "
            "(Virtual tokens of prompt tuning, which peft puts before the text with such a mask, cannot be combined "
            "with masks)"
        )


def check_stream(layout: object, batch: int, width: int, name: str) -> Ragged | None:
    """Return the layout of a ragged stream.

    Args:
        layout: The argument of the call: a `Ragged` layout, or None for padded rows.
        batch: Number of rows of the tokens.
        width: Number of positions of a row.
        name: The name of the argument, for messages.

    Raises:
        PretrainedError: The argument is no `Ragged` layout, or the tokens are not one row of its total length.
    """
    if layout is None:
        return None
    if not isinstance(layout, Ragged):
        raise PretrainedError(f"{name} must be a Ragged layout, got {type(layout).__name__}")
    if (batch, width) != (1, layout.total):
        raise PretrainedError(
            f"a ragged stream is one row, [1, {layout.total}] tokens by its {name}, "
            f"but the tokens are [{batch}, {width}]"
        )
    return layout


def split_features(
    features: object, batch: int, width: int, device: torch.device, stream: Ragged | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Split the features that a caller passes for masks into token columns and values of examples.

    Args:
        features: A mapping from names to integer tensors, [batch, width] for a token column, and [batch] for a value
            of each example ([examples] for a stream).
        batch: Number of rows of the tokens.
        width: Number of positions of a row.
        device: The device to which the features are moved.
        stream: The layout of a ragged stream; None for padded rows.

    Returns:
        The token columns and the values, both int64.

    Raises:
        PretrainedError: The features are no mapping, or one has another shape.
        MaskError: A feature does not hold integers.
    """
    if not isinstance(features, Mapping):
        raise PretrainedError(
            f"features of masks must be a mapping from names to tensors, got {type(features).__name__}"
        )
    tensors = {key: integers(key, feature, device) for key, feature in features.items()}
    examples = batch if stream is None else len(stream.sizes)
    for key, tensor in tensors.items():
        if tuple(tensor.shape) not in ((batch, width), (examples,)):
            raise PretrainedError(
                f"the feature {key!r} of the masks has shape {list(tensor.shape)}; expected [{batch}, {width}], a "
                f"number for each token, or [{examples}], a number for each example"
            )
    columns = {key: tensor for key, tensor in tensors.items() if tensor.ndim == 2}
    return columns, {key: tensor for key, tensor in tensors.items() if tensor.ndim == 1}
