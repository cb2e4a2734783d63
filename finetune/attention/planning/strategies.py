"""The strategies to compute attention under a mask: whole examples, or tiles of a few queries each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from finetune.attention.masks import Mask
from finetune.attention.masks.blocks import Blocks
from finetune.attention.masks.dilated import Dilated
from finetune.attention.masks.operators import Junction, Not
from finetune.attention.masks.same import Same
from finetune.attention.masks.strided import Strided

KERNELS = ("whole", "blocks", "flex")
"""Names of the kernels that a user can choose; `flex` is used only where it is chosen."""
SIZES = (32, 64, 128, 256)
"""Numbers of queries of a tile, one of which is selected by cost."""


@dataclass(frozen=True)
class Strategy:
    """How the attention of some heads is computed.

    Args:
        kernel: "whole" or "blocks".
        size: Number of queries of a tile; 0 for whole examples.
        step: Distance between neighbouring queries of a tile.
        column: The token column by whose value the queries of tiles are chosen; None where they are neighbours.
    """

    kernel: str
    size: int = 0
    step: int = 1
    column: str | None = None

    def __str__(self) -> str:
        if self.kernel == "whole":
            return "whole examples"
        apart = f" {self.step} apart" if self.step > 1 else ""
        return f"blocks of {self.size} queries{apart}" + (f" sorted by {self.column}" if self.column else "")


WHOLE = Strategy("whole")
"""The strategy under which each example is one tile: every query with every key."""


def block_strategies(mask: Mask, longest: int, sorted_by: Iterable[str] = ()) -> list[Strategy]:
    """Return the strategies of tiles that can be worthwhile for a mask.

    They have several sizes, those of blocks in the mask among them, and the steps of dilated and strided masks in it;
    queries are also sorted by the columns of `same` in it.

    Args:
        mask: The mask.
        longest: Number of queries of the longest example.
        sorted_by: Further columns by which queries may be sorted.
    """
    parts = list(mask_parts(mask))
    steps = {1} | {part.step for part in parts if isinstance(part, Dilated | Strided) and part.step < longest}
    sizes = {*SIZES, *(part.size for part in parts if isinstance(part, Blocks) and part.size >= SIZES[0])}
    small = [size for size in sorted(sizes) if size < longest] or [SIZES[0]]
    columns = sorted({*sorted_by, *(part.column for part in parts if isinstance(part, Same))})
    by_column = [Strategy("blocks", size, 1, column) for column in columns for size in small]
    return by_column + [
        Strategy("blocks", size, step)
        for step in sorted(steps)
        for size in small
        if step == 1 or size * step <= longest
    ]


def mask_parts(mask: Mask) -> Iterator[Mask]:
    """Yield a mask and the masks that it is made of."""
    yield mask
    members = mask.members if isinstance(mask, Junction) else (mask.mask,) if isinstance(mask, Not) else ()
    for member in members:
        yield from mask_parts(member)
