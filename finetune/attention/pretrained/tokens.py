"""What a stack is told of its tokens, on its way through transformers to the place where masks are made.

transformers passes a stack's `attention_mask` on to the mask function, and nothing else that a mask could ask for. So
what stands there is a `Request` of ours, put in by a hook: it carries the padding, the columns and the masks, and it
behaves like the 2-D attention mask in the little that transformers looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from finetune.attention.layout import Padded
from finetune.attention.masks import Mask
from finetune.attention.masks.scope import integers
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.program import SiteName

Features = Mapping[str, Tensor]
"""Integers that masks read: [batch, tokens] is a token column, [batch] a value of each example."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one side of a batch, in padded rows.

    Args:
        batch: Rows.
        width: Columns of a row.
        device: Where the model computes.
        valid: bool [batch, width], True at tokens; None where there is no padding.
        columns: Token columns, int64 [batch, width]; in generation with a cache only the last columns of the rows.
        values: Values of the examples, int64 [batch].
    """

    batch: int
    width: int
    device: torch.device
    valid: Tensor | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict)

    def layout(self) -> Padded:
        """Where the tokens are.

        Raises:
            LayoutError: There is padding between tokens.
        """
        columns = {name: column for name, column in self.columns.items() if column.shape[1] == self.width}
        valid = (
            torch.ones(self.batch, self.width, dtype=torch.bool, device=self.device)
            if self.valid is None
            else self.valid
        )
        return Padded.from_attention_mask(valid, columns, self.values, check=not torch.compiler.is_compiling())

    def last(self, count: int, whole: Padded) -> Padded:
        """The last columns of the layout `whole` as rows of their own, in which positions go on counting."""
        columns = {name: column[:, -count:] for name, column in self.columns.items()}
        return Padded(whole.starts - (self.width - count), whole.lengths, count, columns, self.values)


@dataclass(frozen=True, eq=False)
class Request:
    """A wish for the masks of one site, in place of the attention mask that transformers passes on.

    Args:
        site: Whose masks.
        masks: The different masks of the site's layers.
        num_heads: Attention heads.
        queries: The stack's own tokens, those in the cache included.
        keys: What is attended to; the same object in self-attention.
        past: Tokens that are in the cache, before the first that asks.
    """

    site: SiteName
    masks: tuple[Mask, ...]
    num_heads: int
    queries: Tokens
    keys: Tokens
    past: int = 0

    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """That of the attention mask in whose place this stands."""
        return (self.keys.batch, self.keys.width)

    @property
    def query_width(self) -> int:
        """Number of columns that ask."""
        return self.queries.width - self.past

    def to(self, *args: object, **kwargs: object) -> Request:
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
    return attention_mask.bool()


def split_features(
    features: object, batch: int, width: int, device: torch.device
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Token columns [batch, width] and values [batch] apart, as int64.

    Raises:
        PretrainedError: A feature is neither.
        MaskError: A feature does not hold integers.
    """
    if not isinstance(features, Mapping):
        raise PretrainedError(
            f"features of masks must be a mapping from names to tensors, got {type(features).__name__}"
        )
    tensors = {key: integers(key, feature, device) for key, feature in features.items()}
    for key, tensor in tensors.items():
        if tuple(tensor.shape) not in ((batch, width), (batch,)):
            raise PretrainedError(
                f"the feature {key!r} of the masks has shape {list(tensor.shape)}; expected [{batch}, {width}], a "
                f"number a token, or [{batch}], a number an example"
            )
    columns = {key: tensor for key, tensor in tensors.items() if tensor.ndim == 2}
    return columns, {key: tensor for key, tensor in tensors.items() if tensor.ndim == 1}
