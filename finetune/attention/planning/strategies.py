"""The strategies to compute attention under a mask: whole examples, or tiles of a few queries each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from finetune.attention.masks import Mask
from finetune.attention.masks.blocks import Blocks
from finetune.attention.masks.dilated import Dilated
from finetune.attention.masks.operators import Junction, Not
from finetune.attention.masks.strided import Strided

KERNELS = ("whole", "blocks", "flex")
"""Names by which a kernel can be asked for; `flex` is never chosen unasked."""
SIZES = (32, 64, 128, 256)
"""Queries of a tile, of which one number is chosen."""


@dataclass(frozen=True)
class Strategy:
    """How the attention of some heads is computed.

    Args:
        kernel: "whole" or "blocks".
        size: Queries of a tile; 0 for whole examples.
        step: Distance between neighbouring queries of a tile.
    """

    kernel: str
    size: int = 0
    step: int = 1

    def __str__(self) -> str:
        if self.kernel == "whole":
            return "whole examples"
        return f"blocks of {self.size} queries" + (f" {self.step} apart" if self.step > 1 else "")


WHOLE = Strategy("whole")
"""Each example is one tile: every query with every key."""


def block_strategies(mask: Mask, longest: int) -> list[Strategy]:
    """Tiles of several sizes, and those that go with the steps and blocks in the mask.

    Args:
        mask: The mask.
        longest: Queries of the longest example.
    """
    parts = list(_parts(mask))
    steps = {1} | {part.step for part in parts if isinstance(part, Dilated | Strided) and part.step < longest}
    sizes = {*SIZES, *(part.size for part in parts if isinstance(part, Blocks) and part.size >= SIZES[0])}
    small = [size for size in sorted(sizes) if size < longest] or [SIZES[0]]
    return [
        Strategy("blocks", size, step)
        for step in sorted(steps)
        for size in small
        if step == 1 or size * step <= longest
    ]


def _parts(mask: Mask) -> Iterator[Mask]:
    """A mask and the masks that it is made of."""
    yield mask
    members = mask.members if isinstance(mask, Junction) else (mask.mask,) if isinstance(mask, Not) else ()
    for member in members:
        yield from _parts(member)
