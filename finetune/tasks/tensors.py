"""Functions on tensors that several tasks use."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedTokenizerBase

from finetune.attention.layout import Ragged, pad
from finetune.data.batches import Indices
from finetune.data.features import Column, Features
from finetune.tasks.batch import IGNORE_INDEX
from finetune.tasks.context import TaskContext


def input_columns(encoding: BatchEncoding, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[Any]]:
    """Return the columns of encoded inputs: the model's own, `length` in tokens, and `cut`, whether text was cut."""
    names = [name for name in tokenizer.model_input_names if name in encoding and name != "attention_mask"]
    columns: dict[str, list[Any]] = {name: encoding[name] for name in names}
    columns["length"] = [len(row) for row in encoding["input_ids"]]
    columns["cut"] = [bool(one.overflowing) for one in encoding.encodings or ()]
    return columns


def lay_out(column: Column, fill: int, *, ragged: bool) -> Tensor:
    """Return a column of lists as one stream, or as rows that are padded with `fill` on the right.

    Returns:
        int64 [1, tokens] or [rows, longest].
    """
    values = torch.from_numpy(column.values)
    if ragged:
        return values[None]
    valid = valid_rows(column)
    return values.new_full(valid.shape, fill).masked_scatter_(valid, values)


def layout_of(column: Column) -> Ragged:
    """Return the layout of a stream: where each example lies in it."""
    return Ragged.from_lengths(np.diff(_offsets(column)).tolist())


def valid_rows(column: Column) -> Tensor:
    """Return where padded rows hold a token: bool [rows, longest]."""
    lengths = np.diff(_offsets(column))
    return torch.from_numpy(np.arange(lengths.max(initial=0)) < lengths[:, None])  # [longest] < [rows, 1]


def _offsets(column: Column) -> Indices:
    assert column.offsets is not None
    return column.offsets


def lay_out_inputs(features: Features, context: TaskContext) -> dict[str, Any]:
    """Return the model's inputs as tensors, with the layout of the stream or the attention mask of padded rows."""
    tokenizer = context.tokenizer
    fill: Mapping[str, int] = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    names = [name for name in tokenizer.model_input_names if name in features.columns]
    inputs: dict[str, Any] = {
        name: lay_out(features.columns[name], fill.get(name, 0), ragged=context.ragged) for name in names
    }
    tokens = features.columns["input_ids"]
    return inputs | ({"layout": layout_of(tokens)} if context.ragged else {"attention_mask": valid_rows(tokens).long()})


def column_values(features: Features, name: str) -> tuple[int, ...]:
    """Return a column that holds one number for each feature."""
    return tuple(features.columns[name].values.tolist())


def cross_entropy(
    logits: Tensor, label_ids: Tensor, *, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy summed over targets that are not IGNORE_INDEX, a float32 scalar in nats.

    Args:
        logits: float [..., classes].
        label_ids: int64 [...].
        label_smoothing: The share of each target's probability that is spread over all classes.
        weights: The weight of each target, float32 [...]; None where all weigh the same.
    """
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(),
        label_ids.reshape(-1),
        ignore_index=IGNORE_INDEX,
        reduction="sum" if weights is None else "none",
        label_smoothing=label_smoothing,
    )
    return losses if weights is None else (losses * weights.reshape(-1)).sum()


def example_losses(logits: Tensor, label_ids: Tensor, layout: Ragged | None = None) -> list[float]:
    """Return the cross-entropy of each example, summed over its targets, in nats.

    Args:
        logits: float [batch, classes] or [batch, length, classes]; of a stream [1, tokens, classes].
        label_ids: int64 [batch] or [batch, length]; of a stream [1, tokens].
        layout: The layout of the stream; None for padded rows.
    """
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), label_ids.reshape(-1), ignore_index=IGNORE_INDEX, reduction="none"
    )
    rows = losses.view(len(label_ids), -1) if layout is None else _padded(losses, layout)  # [batch, length]
    sums: list[float] = rows.sum(dim=1).tolist()
    return sums


def _padded(values: Tensor, layout: Ragged) -> Tensor:
    return pad(values, layout.to_padded())


def example_rows(values: Tensor, layout: Ragged | None = None) -> list[list[int]]:
    """Return the values of each example, from padded rows [batch, length] or from a stream [1, tokens]."""
    if layout is None:
        rows: list[list[int]] = values.tolist()
        return rows
    return [part.tolist() for part in torch.split(values[0], list(layout.sizes))]
