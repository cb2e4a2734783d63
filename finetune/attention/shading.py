"""The shades of the cells of a drawing, and the lines below it that say what they mean.

Attention weights are shaded from 0 to 1. The numbers of masks with score terms are shaded from the least to the
greatest of them in all panels of a drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from finetune.attention.drawing import Panel

SHADES = "·░▒▓█"
"""Characters for a cell: the first for exactly 0, the others for a quarter of the range from 0 to 1 each."""
MASKED = -1
"""The shade of a cell whose pairs are all masked, which is drawn as a blank."""
MASK_LEGEND = "█ may attend   · may not"
WEIGHT_LEGEND = "weight: · 0   ░ up to 0.25   ▒ up to 0.5   ▓ up to 0.75   █ up to 1"
MASKED_LEGEND = "   blank: masked"
SCORE_LEGEND = "added to the score: "


def score_range(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return the least and the greatest number that masks add to the scores of pairs that they allow; 0 without any."""
    found = [
        panel.values[panel.allowed] if panel.allowed is not None else panel.values.flatten()
        for panel in panels
        if panel.are_scores
    ]
    numbers = torch.cat(found) if found else torch.zeros(0)
    return (float(numbers.min()), float(numbers.max())) if numbers.numel() else (0.0, 0.0)


def legends(panels: Sequence[Panel], ends: tuple[float, float]) -> list[str]:
    """Return the line of the legend for each kind of panel."""
    lines = []
    if any(panel.values.dtype == torch.bool for panel in panels):
        lines.append(MASK_LEGEND)
    if any(panel.are_scores for panel in panels):
        lines.append(SCORE_LEGEND + _score_scale(*ends) + MASKED_LEGEND)
    weights = [panel for panel in panels if panel.values.dtype != torch.bool and not panel.are_scores]
    if weights:
        lines.append(WEIGHT_LEGEND + (MASKED_LEGEND if any(panel.allowed is not None for panel in weights) else ""))
    return lines


def _score_scale(least: float, greatest: float) -> str:
    """Return the range of numbers of each shade but the first: "░ -4 to -3   ▒ to -2   ▓ to -1   █ to 0"."""
    if least == greatest:
        return f"{SHADES[-1]} {least:.3g}"
    shades = SHADES[1:]
    upper = [least + (greatest - least) * number / len(shades) for number in range(1, len(shades) + 1)]
    texts = (f"{shade} to {end:.3g}" for shade, end in zip(shades, upper, strict=True))
    return "   ".join(texts).replace("to", f"{least:.3g} to", 1)


def shade_cells(panel: Panel, pool: int, ends: tuple[float, float]) -> Tensor:
    """Return the shade of each cell: int64 [rows, columns], an index into SHADES, or MASKED.

    Args:
        panel: The panel.
        pool: Number of neighbouring pairs that share a cell, in each direction.
        ends: The least and the greatest number of all panels with scores.
    """
    most = len(SHADES) - 1
    values = panel.values.float()
    if panel.allowed is None:
        return _pooled(values, pool).mul(most).ceil().long()
    share = _pooled(panel.allowed.float(), pool)  # of the pairs of each cell that are allowed
    if panel.are_scores:
        mean = _pooled(values * panel.allowed, pool) / share.clamp(min=torch.finfo(share.dtype).tiny)
        length = ends[1] - ends[0]
        shares = (mean - ends[0]) / length if length else torch.ones_like(mean)
        cells = shares.mul(most).ceil().long().clamp(1, most)
    else:
        cells = _pooled(values, pool).mul(most).ceil().long()
    return cells.masked_fill(share == 0, MASKED)


def _pooled(values: Tensor, size: int) -> Tensor:
    """Return the mean of each square of `size` by `size` values; squares at the edges may be smaller."""
    if size == 1:
        return values
    return torch.nn.functional.avg_pool2d(values[None], size, ceil_mode=True, count_include_pad=False)[0]
