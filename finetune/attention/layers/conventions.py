"""Masks that come from elsewhere, made into ours: boolean, True means attend.

Libraries and tutorials disagree on what a mask's numbers mean, and each reading of the wrong convention runs without
an error. So a mask from outside passes through `to_allowed`, which is told the convention by name and checks it.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from finetune.attention.layers.errors import LayerError

Convention = Literal["1 = attend", "1 = ignore", "-inf = ignore"]

LARGEST_EXCLUDING = -1e4
"""What old code adds to exclude a key, chosen for float16; other code adds less."""


def to_allowed(mask: Tensor, convention: Convention) -> Tensor:
    """A mask of another convention as bool, True means attend.

    Args:
        mask: Any shape. Read from left to right, its convention says what its numbers mean.
        convention: "1 = attend": 1 or True at keys that may be attended to, 0 or False at others (transformers'
            attention_mask, the boolean attn_mask of torch's scaled_dot_product_attention). "1 = ignore": the other way
            round (torch.nn.MultiheadAttention's key_padding_mask and attn_mask, many tutorials). "-inf = ignore": a
            floating-point mask added to the scores, 0 at keys that may be attended to, and -inf or the type's lowest
            number at others (transformers' extended masks).

    Returns:
        bool, of the same shape.

    Raises:
        LayerError: The mask holds numbers that the convention does not know; a bias, say.
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
    if not mask.is_floating_point():
        raise LayerError(f"a mask of convention '-inf = ignore' is of floating point, got {mask.dtype}")
    allowed = mask == 0
    if not torch.all(allowed | (mask <= LARGEST_EXCLUDING)):
        raise LayerError(f"a mask of convention '-inf = ignore' holds 0 and -inf alone, got {_sample(mask)}")
    return allowed


def _sample(mask: Tensor) -> str:
    values: Tensor = mask.unique()  # type: ignore[no-untyped-call]
    return ", ".join(f"{value:g}" for value in values[:4].tolist()) + (", ..." if len(values) > 4 else "")
