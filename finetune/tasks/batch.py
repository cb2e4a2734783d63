"""`Batch`: features of several examples as tensors."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from finetune.attention.layout import Ragged

IGNORE_INDEX = -100
"""The label id of a position that has no target, as in PyTorch's cross-entropy."""


@dataclass(frozen=True)
class Batch:
    """Features of several examples as tensors.

    Args:
        inputs: The model's keyword arguments: int64 tensors [batch, length] with an attention mask, or [1, tokens] with
            the layout of the stream.
        label_ids: The targets. For classes int64 [batch], or one for each position, [batch, length] or [1, tokens],
            IGNORE_INDEX where there is none. For several labels an example float32 [batch, labels], for numbers float32
            [batch].
        features: The index of each feature in its split, one for each row or each example of the stream.
        examples: The index of each feature's example in its split.
        mask_features: The columns and values that masks read, by name: int64 [batch, length] or [1, tokens] for columns
            of tokens, [batch] for values of examples.
        words: Token classification: for each feature and position the index of the word whose label is predicted there,
            or IGNORE_INDEX.
        weights: The weights of the targets in the training loss: float32, shaped as label_ids; None where all weigh the
            same.
    """

    inputs: dict[str, Any]
    label_ids: Tensor
    features: tuple[int, ...]
    examples: tuple[int, ...]
    mask_features: dict[str, Tensor] = field(default_factory=dict)
    words: tuple[tuple[int, ...], ...] = ()
    weights: Tensor | None = None

    @property
    def source(self) -> dict[str, Any]:
        """The keyword arguments of a model or an encoder: the inputs, and the columns that masks read."""
        return self.inputs | ({"mask_features": self.mask_features} if self.mask_features else {})

    @property
    def target_layout(self) -> Ragged | None:
        """The layout of the stream that the targets belong to; None for padded rows."""
        layout: Ragged | None = self.inputs.get("decoder_layout", self.inputs.get("layout"))
        return layout

    def to(self, device: torch.device) -> "Batch":
        """Return the same batch on `device`; copies from pinned memory do not block."""

        def move(inputs: dict[str, Any]) -> dict[str, Any]:
            return {
                name: given.to(device) if isinstance(given, Ragged) else given.to(device, non_blocking=True)
                for name, given in inputs.items()
            }

        label_ids = self.label_ids.to(device, non_blocking=True)
        weights = None if self.weights is None else self.weights.to(device, non_blocking=True)
        return replace(
            self,
            inputs=move(self.inputs),
            mask_features=move(self.mask_features),
            label_ids=label_ids,
            weights=weights,
        )
