"""Size bucketing: streams are padded to a multiple of a step, so that a CPU sees few different sizes.

Batches of texts have as many numbers of tokens as there are batches. oneDNN writes a kernel for each new size, which
takes it half a millisecond, and keeps it with its memory. And tensors of ever new sizes leave holes between each other
that none of the next fits: a run's memory grows to several times what a step needs. Steps of about a 64th of the size
cost half of that on average. No example attends to the padding, and the stack's output is cut before anyone reads it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from finetune.attention.tuning import is_cpu_tuned

_COLUMNS = ("input_ids", "inputs_embeds", "token_type_ids", "position_ids")
"""Arguments of a stack, [1, tokens] or [1, tokens, hidden_size]."""
_LEAST_STEP = 8


def bucketed_length(total: int, device: torch.device) -> int:
    """Columns of a stream of so many tokens: rounded up on a CPU that is tuned, unchanged elsewhere."""
    if device.type != "cpu" or not total or not is_cpu_tuned():
        return total
    # 64 steps between neighbouring powers of two: bit_length - 1 is the power below, and 2 ** 6 is 64.
    step = max(_LEAST_STEP, 1 << max(0, total.bit_length() - 7))
    return -(-total // step) * step


def pad_arguments(arguments: dict[str, Any], padded_length: int) -> None:
    """Pad the columns that a stack is called with, in place."""
    for name in _COLUMNS:
        if arguments.get(name) is not None:
            arguments[name] = pad_columns(arguments[name], padded_length)


def pad_columns(columns: Tensor, padded_length: int) -> Tensor:
    """[1, tokens, ...] with zeros after the tokens up to [1, padded_length, ...]."""
    missing = padded_length - columns.shape[1]
    return F.pad(columns, (*[0, 0] * (columns.ndim - 2), 0, missing)) if missing else columns
