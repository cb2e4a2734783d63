"""Conversion of masks of other conventions into boolean masks in which True means attend.

Libraries and tutorials disagree about what the numbers of a mask mean, and code that reads a mask by the wrong
convention runs without an error. So `to_allowed` takes the name of the convention, and checks that the mask follows it.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from finetune.attention.layers.errors import LayerError

Convention = Literal["1 = attend", "1 = ignore", "-inf = ignore"]

LARGEST_EXCLUDING = -1e4
"""The greatest number that is read as "ignore" in an additive mask. Old code adds -1e4 to exclude a key, because
float16 has no number as low as -1e9; other code adds lower numbers."""


def to_allowed(mask: Tensor, convention: Convention) -> Tensor:
    """Convert a mask of another convention into a boolean mask in which True means attend.

    Args:
        mask: A mask of any shape.
        convention: What the numbers of the mask mean. "1 = attend": 1 or True at keys that may be attended to, 0 or
            False at others, as in transformers' attention_mask and in the boolean attn_mask of torch's
            scaled_dot_product_attention. "1 = ignore": the reverse, as in the key_padding_mask and attn_mask of
            torch.nn.MultiheadAttention and in many tutorials. "-inf = ignore": floating-point numbers that are added
            to the scores, 0 at keys that may be attended to, and -inf or the lowest number of the type at others, as
            in transformers' extended masks.

    Returns:
        bool, of the same shape.

    Raises:
        LayerError: There is no such convention, or the mask holds numbers that the convention does not have, such as
            those of a bias.
    """
    if convention == "-inf = ignore":
        return _from_additive(mask)
    if convention not in ("1 = attend", "1 = ignore"):
        raise LayerError(f"there is no mask convention {convention!r}, only {', '.join(get_args(Convention))}")
    ones = mask == 1
    if not torch.all(ones | (mask == 0)):
        raise LayerError(f"a mask of convention {convention!r} holds 0 and 1 alone, got {_sample(mask)}")
    return ones if convention == "1 = attend" else ~ones


def _from_additive(mask: Tensor) -> Tensor:
    """Convert a mask of the convention "-inf = ignore"."""
    if not mask.is_floating_point():
        raise LayerError(f"a mask of convention '-inf = ignore' is of floating point, got {mask.dtype}")
    allowed = mask == 0
    if not torch.all(allowed | (mask <= LARGEST_EXCLUDING)):
        raise LayerError(f"a mask of convention '-inf = ignore' holds 0 and -inf alone, got {_sample(mask)}")
    return allowed


def _sample(mask: Tensor) -> str:
    """Return the first few different numbers of a mask as text."""
    values: Tensor = mask.unique()  # type: ignore[no-untyped-call]
    return ", ".join(f"{value:g}" for value in values[:4].tolist()) + (", ..." if len(values) > 4 else "")
