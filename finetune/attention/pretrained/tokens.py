"""What a stack is told of its tokens, on its way through transformers to the place where masks are made.

Tokens lie in padded rows, [batch, width], or in one ragged stream, which the model sees as a single row, [1, tokens].

transformers passes a stack's `attention_mask` on to the mask function, and nothing else that a mask could ask for. So
a hook puts a `MaskRequest` in its place: it carries the padding, the columns and the masks, and it behaves like the 2-D
attention mask in the little that transformers looks at.
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
"""How columns and values of the source are called in the encoder's output."""

BatchFeatures = Mapping[str, Tensor]
"""Integers that masks read: [batch, tokens] is a token column, [batch] a value of each example; for a ragged stream
[1, tokens] and [examples]."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one side of a batch.

    Args:
        batch: Rows.
        padded_length: Columns of a row; of a stream, with the padding that bucketing adds.
        device: Where the model computes.
        valid: bool [batch, width], True at tokens; None where there is no padding.
        columns: Token columns, int64 [batch, width]; in generation with a cache only the last columns of the rows.
        values: Values of the examples, int64 [batch]; of a stream's, [examples].
        stream: Where the examples lie in the one row of a ragged stream; None for padded rows.
        ids: The encoder's input_ids, where they do not come in its own arguments.
        are_told: Whether ids, an attention mask or a layout say which of the columns are tokens.
    """

    batch: int
    padded_length: int
    device: torch.device
    valid: Tensor | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict)
    stream: Ragged | None = None
    ids: Tensor | None = None
    are_told: bool = True

    @property
    def longest(self) -> int:
        """Tokens of the longest example, padding of the others included."""
        return self.padded_length if self.stream is None else max(self.stream.sizes, default=0)

    @property
    def ragged(self) -> Ragged:
        """The layout of a stream, with the columns and values that masks read."""
        assert self.stream is not None
        return self.stream.with_features({name: column[0] for name, column in self.columns.items()}, self.values)

    def layout(self) -> Padded:
        """Where the tokens are in padded rows.

        Raises:
            LayoutError: There is padding between tokens.
        """
        columns = {name: column for name, column in self.columns.items() if column.shape[1] == self.padded_length}
        valid = (
            torch.ones(self.batch, self.padded_length, dtype=torch.bool, device=self.device)
            if self.valid is None
            else self.valid
        )
        return Padded.from_attention_mask(valid, columns, self.values, check=not torch.compiler.is_compiling())

    def last(self, count: int, whole: Padded) -> Padded:
        """The last columns of the layout `whole` as rows of their own, in which positions go on counting."""
        columns = {name: column[:, -count:] for name, column in self.columns.items()}
        return Padded(whole.starts - (self.padded_length - count), whole.lengths, count, columns, self.values)


def bucketed(tokens: Tokens) -> Tokens:
    """Tokens of a stream with padding at its end up to a bucket's size; padded rows as they are."""
    if tokens.stream is None:
        return tokens
    return replace(tokens, padded_length=bucketed_length(tokens.stream.total, tokens.device))


@dataclass(frozen=True, eq=False)
class MaskRequest:
    """A wish for the masks of one site, in place of the attention mask that transformers passes on.

    Args:
        site: Whose masks.
        masks: The different masks of the site's layers.
        num_heads: Attention heads.
        queries: The stack's own tokens, those in the cache included.
        keys: What is attended to; the same object in self-attention.
        past: Tokens that are in the cache, before the first that asks.
        head_dim: Size of one attention head.
        has_relative_bias: Whether the attention adds a relative bias.
        kernel: How a stream is computed; None leaves it to the plan.
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

    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """That of the attention mask in whose place this stands."""
        return (self.keys.batch, self.keys.padded_length)

    @property
    def query_length(self) -> int:
        """Columns of the queries, those in the cache not counted."""
        return self.queries.padded_length - self.past

    @property
    def is_step(self) -> bool:
        """Whether it is about one token a row, after others that are in the cache."""
        return self.past > 0 and self.query_length == 1

    def to(self, *args: object, **kwargs: object) -> MaskRequest:
        """Itself: transformers casts the attention mask to bool and moves it."""
        return self


def check_attention_mask(attention_mask: object, batch: int, width: int, name: str) -> Tensor | None:
    """An attention mask as bool [batch, width], or None.

    Raises:
        PretrainedError: It is something else.
    """
    if attention_mask is None:
        return None
    if not isinstance(attention_mask, Tensor) or attention_mask.ndim != 2:
        shape = list(attention_mask.shape) if isinstance(attention_mask, Tensor) else type(attention_mask).__name__
        raise PretrainedError(
            f"{name} must be a tensor [batch, tokens] with 1 at tokens and 0 at padding, got {shape}: who may attend "
            "to whom is said by the program of masks, not by a mask of more dimensions (static caches, which bring "
            "such masks, are not supported)"
        )
    if tuple(attention_mask.shape) != (batch, width):
        raise PretrainedError(
            f"{name} has shape {list(attention_mask.shape)}, but the tokens are [{batch}, {width}]; prompts that are "
            "put before the tokens as keys alone (prefix tuning) cannot be combined with masks"
        )
    _check_convention(attention_mask, name)
    return attention_mask.bool()


def _check_convention(attention_mask: Tensor, name: str) -> None:
    """Refuse a mask whose numbers could mean something else than 1 at tokens and 0 at padding.

    Raises:
        PretrainedError: They could.
    """
    if attention_mask.dtype == torch.bool:
        return
    found = None
    if attention_mask.is_floating_point() or attention_mask.is_complex():
        found = f"{attention_mask.dtype}, as of masks that are added to the scores, 0 at tokens and -inf at padding"
    elif not torch.compiler.is_compiling() and bool((attention_mask.clamp(0, 1) != attention_mask).any()):
        lowest, highest = (int(extreme) for extreme in attention_mask.aminmax())
        found = f"numbers from {lowest} to {highest}"
    if found is not None:
        raise PretrainedError(
            f"{name} must be boolean or hold the integers 1 at tokens and 0 at padding, got {found}; convert it by "
            "finetune.attention.layers.to_allowed(mask, convention), which is told what its numbers mean. (Virtual "
            "tokens of prompt tuning, which peft puts before the text with such a mask, cannot be combined with masks)"
        )


def check_stream(layout: object, batch: int, width: int, name: str) -> Ragged | None:
    """A layout of a ragged stream that fits the tokens, or None where none is given.

    Raises:
        PretrainedError: It does not fit.
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
    """Token columns [batch, width] and values [batch] (of a stream [examples]) apart, as int64.

    Raises:
        PretrainedError: A feature is neither.
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
                f"number a token, or [{examples}], a number an example"
            )
    columns = {key: tensor for key, tensor in tensors.items() if tensor.ndim == 2}
    return columns, {key: tensor for key, tensor in tensors.items() if tensor.ndim == 1}
