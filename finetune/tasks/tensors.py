"""Small tensor functions that tasks share."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedTokenizerBase

from finetune.tasks.base import IGNORED, Feature


def input_columns(encoding: BatchEncoding, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[Any]]:
    """The columns of encoded inputs that are kept: the model's, their length in tokens, and whether text was cut."""
    names = [name for name in tokenizer.model_input_names if name in encoding and name != "attention_mask"]
    columns: dict[str, list[Any]] = {name: encoding[name] for name in names}
    columns["length"] = [len(row) for row in encoding["input_ids"]]
    columns["cut"] = [bool(one.overflowing) for one in encoding.encodings or ()]
    return columns


def pad_rows(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """Stack rows of unequal length, filled up with `value` on the right.

    Returns:
        int64, [rows, longest].
    """
    longest = max(map(len, rows), default=0)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows], dtype=torch.int64)


def pad_inputs(features: Sequence[Feature], tokenizer: PreTrainedTokenizerBase) -> dict[str, Tensor]:
    """The tokenizer's own columns of `features`, padded to the longest; int64, [batch, length] each."""
    fill: Mapping[str, int] = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    names = [name for name in tokenizer.model_input_names if name in features[0]]
    inputs = {name: pad_rows([feature[name] for feature in features], fill.get(name, 0)) for name in names}
    inputs["attention_mask"] = pad_rows([[1] * len(feature["input_ids"]) for feature in features], 0)
    return inputs


def cross_entropy(logits: Tensor, label_ids: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy summed over targets that are not IGNORED, in float32.

    Args:
        logits: [..., classes].
        label_ids: int64, [...].
        label_smoothing: Share of each target's probability that is spread over all classes.
    """
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(),
        label_ids.reshape(-1),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=label_smoothing,
    )


def row_losses(logits: Tensor, label_ids: Tensor) -> list[float]:
    """Cross-entropy of each row, summed over its targets.

    Args:
        logits: [batch, classes] or [batch, length, classes].
        label_ids: int64, [batch] or [batch, length].
    """
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), label_ids.reshape(-1), ignore_index=IGNORED, reduction="none"
    )
    sums: list[float] = losses.view(len(label_ids), -1).sum(dim=1).tolist()
    return sums
