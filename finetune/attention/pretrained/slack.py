"""Slack: a few columns that stand for nothing at a stream's end, so that a CPU meets few different sizes.

Batches of texts have as many numbers of tokens as there are batches. oneDNN writes a kernel for each new size, which
takes it half a millisecond, and keeps it with its memory; and tensors that are never of one size leave holes between
each other which none of the next fits: a run's memory grows to several times what a step needs. Sizes in steps of a
64th cost half of that on average. No example sees those columns, and the stack's output is cut before anyone reads it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_COLUMNS = ("input_ids", "inputs_embeds", "token_type_ids", "position_ids")
"""Arguments of a stack, [1, tokens] or [1, tokens, width]."""
_LEAST = 8


def width_with_slack(total: int, device: torch.device) -> int:
    """Columns of a stream of so many tokens."""
    if device.type != "cpu" or not total:
        return total
    step = max(_LEAST, 1 << max(0, total.bit_length() - 7))
    return -(-total // step) * step


def add_slack(arguments: dict[str, Any], width: int) -> None:
    """Lengthen what a stack is called with to so many columns, in place."""
    for name in _COLUMNS:
        if arguments.get(name) is not None:
            arguments[name] = lengthened(arguments[name], width)


def lengthened(columns: Tensor, width: int) -> Tensor:
    """[1, tokens, ...] with zeros up to so many columns."""
    missing = width - columns.shape[1]
    return F.pad(columns, (*[0, 0] * (columns.ndim - 2), 0, missing)) if missing else columns
