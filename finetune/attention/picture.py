"""Pictures of masks and of attention weights, as files in PNG, SVG or PDF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from finetune.attention.drawing import Panel, panel_labels
from finetune.attention.shading import score_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

FORMATS = (".png", ".svg", ".pdf")
"""The endings of files that `save_picture` can write."""
LABELS_IN_PICTURE = 64
"""Number of tokens of an axis up to which they are written in a picture; beyond it they would overlap."""
_DARK, _LIGHT = "#08306b", "#f7fbff"
"""The colours of an allowed and of a masked pair: both ends of matplotlib's `Blues`."""


def save_picture(
    panels: Sequence[Panel],
    path: Path,
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
) -> None:
    """Write the panels side by side into a file, with a legend for masks, or a colour bar for attention weights.

    Args:
        panels: At least one panel.
        path: The file, which is overwritten if it exists. Its ending names the format, see `FORMATS`.
        query_tokens: Labels of the rows; positions if not given.
        key_tokens: Labels of the columns. If not given, they are `query_tokens` where there are as many keys as
            queries, and positions otherwise.

    Raises:
        ValueError: The file's name has another ending, or there are more or fewer tokens than rows or columns.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"the name of a picture ends in {', '.join(FORMATS)}, not in {ending!r}")
    import matplotlib as mpl  # importing it takes a second
    from matplotlib.figure import Figure

    columns = math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5 * columns, 5 * rows), layout="constrained")
    grid = [figure.add_subplot(rows, columns, number) for number in range(1, len(panels) + 1)]
    ends = score_range(panels)
    drawn = [
        _draw(axes, panel, *panel_labels(panel, query_tokens, key_tokens), ends)
        for axes, panel in zip(grid, panels, strict=True)
    ]
    if any(panel.values.dtype == torch.bool for panel in panels):
        _add_legend(figure)
    _add_color_bars(figure, grid, panels, drawn)
    # Without a date and with fixed ids, the same panels give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "finetune"}):
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(ending)
        figure.savefig(path, format=ending[1:], dpi=120, metadata=metadata)


def _add_color_bars(
    figure: Figure, grid: list[Axes], panels: Sequence[Panel], drawn: Sequence[AxesImage | None]
) -> None:
    """Add a colour bar for the scores, and one for the attention weights, where there are such panels."""
    for are_scores, label in ((True, "added to the score"), (False, "attention weight")):
        kind = [
            (panel, image)
            for panel, image in zip(panels, drawn, strict=True)
            if panel.values.dtype != torch.bool and panel.are_scores == are_scores and image is not None
        ]
        if kind:
            note = _hatch_note([panel for panel, _ in kind])
            figure.colorbar(kind[0][1], ax=grid, label=label + note, shrink=0.6)


def _hatch_note(panels: Sequence[Panel]) -> str:
    return " (hatched: masked)" if any(panel.allowed is not None for panel in panels) else ""


def _add_legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=color, edgecolor="grey", label=label)
        for color, label in ((_DARK, "may attend"), (_LIGHT, "may not"))
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=2, fontsize="small", frameon=False)


def _draw(axes: Axes, panel: Panel, rows: list[str], columns: list[str], ends: tuple[float, float]) -> AxesImage | None:
    least, greatest = ends if panel.are_scores else (0, 1)
    shown = None
    if panel.values.numel():
        values = panel.values.float()
        if panel.are_scores and panel.allowed is not None:
            values = values.where(panel.allowed, torch.nan)  # which is drawn in no colour
        shown = axes.imshow(
            values.numpy(), cmap="Blues", vmin=least, vmax=greatest, interpolation="nearest", aspect="equal"
        )
    if panel.allowed is not None and not panel.allowed.all():
        _hatch(axes, panel)
    # matplotlib takes text between two dollar signs for a formula, and a token can be a dollar sign.
    axes.set_title(panel.title, fontsize="small", wrap=True, parse_math=False)
    axes.set_xlabel("keys")
    axes.set_ylabel("queries")
    if len(columns) <= LABELS_IN_PICTURE:
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7, parse_math=False)
    if len(rows) <= LABELS_IN_PICTURE:
        axes.set_yticks(range(len(rows)), rows, fontsize=7, parse_math=False)
    return shown


def _hatch(axes: Axes, panel: Panel) -> None:
    """Hatch the cells of masked pairs, whose weight is 0 whatever the model has learned."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    assert panel.allowed is not None
    masked = (~panel.allowed).nonzero().tolist()
    cells = [Rectangle((key - 0.5, query - 0.5), 1, 1) for query, key in masked]
    axes.add_collection(
        PatchCollection(cells, facecolor="none", edgecolor="lightgrey", hatch="////", linewidth=0), autolim=False
    )
