"""Size bucketing: ragged streams are padded to a multiple of a step, so that few different sizes occur on a CPU.

Nearly every batch of texts has another number of tokens. oneDNN compiles a kernel for each new size, which takes half a
millisecond, and keeps it in memory. In addition, tensors of ever new sizes fragment the heap, so that the memory of a
run grows to several times what a step needs. The step is about a 64th of the size, so that the padding is about a
128th of it on average. Tokens do not attend to the padding, and it is cut off the stack's output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from finetune.attention.tuning import is_cpu_tuned

_COLUMNS = ("input_ids", "inputs_embeds", "token_type_ids", "position_ids")
"""The arguments of a stack that have one entry for each token: [1, tokens] or [1, tokens, hidden_size]."""
_LEAST_STEP = 8
"""The smallest step, in tokens."""


def bucketed_length(total: int, device: torch.device) -> int:
    """Return the padded length of a stream.

    Args:
        total: Number of tokens of the stream.
        device: The device of the stream.

    Returns:
        The number of tokens, rounded up on a CPU for which PyTorch is tuned, and unchanged elsewhere.
    """
    if device.type != "cpu" or not total or not is_cpu_tuned():
        return total
    # 64 steps between neighbouring powers of two: bit_length - 1 is the power below, and 2 ** 6 is 64.
    step = max(_LEAST_STEP, 1 << max(0, total.bit_length() - 7))
    return -(-total // step) * step  # the negative floor division rounds up


def pad_arguments(arguments: dict[str, Any], padded_length: int) -> None:
    """Pad the arguments of a stack that have an entry for each token, in place."""
    for name in _COLUMNS:
        if arguments.get(name) is not None:
            arguments[name] = pad_columns(arguments[name], padded_length)


def pad_columns(columns: Tensor, padded_length: int) -> Tensor:
    """Return columns [1, tokens, ...] with zeros added after the tokens, [1, padded_length, ...]."""
    missing = padded_length - columns.shape[1]
    # F.pad reads pairs of sizes from the last dimension backwards; all but the tokens' are left as they are.
    return F.pad(columns, (*[0, 0] * (columns.ndim - 2), 0, missing)) if missing else columns
