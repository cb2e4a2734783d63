"""Draws masks, and weights of heads, in the terminal and as a picture.

One cell a pair, a row a query, a column a key. What is drawn is a list of panels: `mask_panels` and
`program_panels` make them from masks, heads and layers that are alike sharing one; weights of a model are panels
whose values are between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from finetune.attention.masks.base import Mask
from finetune.attention.masks.scope import ExampleFeatures
from finetune.attention.program import Program, SiteName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADES = "·░▒▓█"
"""A cell's sign, by quarters; the first is exactly 0."""
MASK_LEGEND = "█ may attend   · may not"
WEIGHT_LEGEND = "weight: · 0   ░ up to 0.25   ▒ up to 0.5   ▓ up to 0.75   █ up to 1"
LABEL_LIMIT = 14
"""Characters of a token that are shown."""
LABELS_IN_PICTURE = 64
"""Longest axis whose tokens are all written in a picture."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One square to draw.

    Args:
        title: Stands above it.
        values: bool [queries, keys], True means attend, or weights between 0 and 1 of the same shape.
    """

    title: str
    values: Tensor


def mask_panels(
    mask: Mask,
    query_length: int,
    key_length: int | None = None,
    num_heads: int = 1,
    features: ExampleFeatures | None = None,
    key_features: ExampleFeatures | None = None,
    where: str = "",
) -> list[Panel]:
    """A panel for each group of heads that see the same.

    Args:
        mask: What to draw.
        query_length: This and the next four as in `Mask.dense`.
        key_length: See there.
        num_heads: See there.
        features: See there.
        key_features: See there.
        where: Opens every title: the site and the layers.

    Raises:
        MaskError: As `Mask.dense`.
    """
    by_head = mask.dense(query_length, key_length, num_heads, features, key_features)
    groups: list[tuple[Tensor, list[int]]] = []
    for head, values in enumerate(by_head):
        alike = next((heads for known, heads in groups if torch.equal(known, values)), None)
        if alike is None:
            groups.append((values, [head]))
        else:
            alike.append(head)
    if len(groups) == 1:
        return [Panel(_title([where], mask), groups[0][0])]
    return [
        Panel(_title([where, _numbered("head", heads)], mask.at_head(heads[0], num_heads)), values)
        for values, heads in groups
    ]


def program_panels(
    program: Program,
    site: SiteName,
    num_layers: int,
    query_length: int,
    key_length: int | None = None,
    num_heads: int = 1,
    features: ExampleFeatures | None = None,
    key_features: ExampleFeatures | None = None,
) -> list[Panel]:
    """Panels of a site of a program, for each group of layers that have the same mask.

    Args:
        program: The masks of a model.
        site: Which of the three.
        num_layers: Layers at that site.
        query_length: This and the rest as in `Mask.dense`.
        key_length: See there.
        num_heads: See there.
        features: See there.
        key_features: See there.

    Raises:
        ProgramError: The overrides do not fit the number of layers.
        MaskError: As `Mask.dense`.
    """
    layers_of: dict[Mask, list[int]] = {}
    for layer, mask in enumerate(program.by_layer(site, num_layers)):
        layers_of.setdefault(mask, []).append(layer)
    panels: list[Panel] = []
    for mask, layers in layers_of.items():
        where = f"{site}, {_numbered('layer', layers)}" if len(layers_of) > 1 else site
        panels += mask_panels(mask, query_length, key_length, num_heads, features, key_features, where)
    return panels


def to_text(
    panels: Sequence[Panel],
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    width: int = 100,
) -> str:
    """The panels one below the other, as text for a terminal.

    Args:
        panels: At least one.
        query_tokens: Written beside the rows; positions if not given.
        key_tokens: Written downwards above the columns; the query's tokens in a square if not given, else positions.
        width: Columns of the terminal. Where a panel is wider, neighbouring pairs share a cell, which then shows
            their mean.

    Raises:
        ValueError: There are more or fewer tokens than rows or columns.
    """
    lines = []
    for panel in panels:
        rows, columns = _labels(panel, query_tokens, key_tokens)
        lines += [panel.title, *_square(panel.values, rows, columns, width), ""]
    is_mask = all(panel.values.dtype == torch.bool for panel in panels)
    return "\n".join([*lines, MASK_LEGEND if is_mask else WEIGHT_LEGEND])


def save_png(
    panels: Sequence[Panel],
    path: Path,
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
) -> None:
    """The panels side by side, as a picture; the arguments are those of `to_text`.

    Raises:
        ValueError: There are more or fewer tokens than rows or columns.
    """
    from matplotlib.figure import Figure  # importing it takes a second

    columns = math.ceil(math.sqrt(len(panels)))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5 * columns, 5 * rows), layout="constrained")
    for number, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        _draw(axes, panel, *_labels(panel, query_tokens, key_tokens))
    is_mask = all(panel.values.dtype == torch.bool for panel in panels)
    figure.supxlabel("dark: may attend" if is_mask else "dark: much weight", fontsize="small")
    figure.savefig(path, format="png", dpi=120)


def _draw(axes: Axes, panel: Panel, rows: list[str], columns: list[str]) -> None:
    if panel.values.numel():
        axes.imshow(panel.values.float().numpy(), cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    # Tokens are not mathematics, even where they hold dollar signs.
    axes.set_title(panel.title, fontsize="small", wrap=True, parse_math=False)
    axes.set_xlabel("keys")
    axes.set_ylabel("queries")
    if len(columns) <= LABELS_IN_PICTURE:
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7, parse_math=False)
    if len(rows) <= LABELS_IN_PICTURE:
        axes.set_yticks(range(len(rows)), rows, fontsize=7, parse_math=False)


def _labels(
    panel: Panel, query_tokens: Sequence[str] | None, key_tokens: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """What stands beside the rows and above the columns."""
    queries, keys = panel.values.shape
    if key_tokens is None and queries == keys:
        key_tokens = query_tokens
    return _axis("queries", queries, query_tokens), _axis("keys", keys, key_tokens)


def _axis(name: str, length: int, tokens: Sequence[str] | None) -> list[str]:
    if tokens is None:
        return [str(position) for position in range(length)]
    if len(tokens) != length:
        raise ValueError(f"there are {length} {name}, but {len(tokens)} tokens")
    return ["".join(sign if sign.isprintable() else " " for sign in token)[:LABEL_LIMIT] for token in tokens]


def _square(values: Tensor, rows: list[str], columns: list[str], width: int) -> list[str]:
    """The lines of one panel: column labels written downwards, then a line a row."""
    from rich.cells import cell_len, set_cell_size

    margin = max(map(cell_len, rows), default=0)
    room = max(1, width - margin - 1)
    together = max(1, math.ceil(len(columns) / room))
    cell = 2 if 2 * len(columns) <= room else 1
    rows, columns = rows[::together], columns[::together]
    shades = _pooled(values.float(), together).mul(len(SHADES) - 1).ceil().long().tolist()
    height = max(map(len, columns), default=0)
    heading = [
        " " * (margin + 1) + "".join(set_cell_size(column.rjust(height)[line], cell) for column in columns).rstrip()
        for line in range(height)
    ]
    body = [
        " " * (margin - cell_len(label)) + f"{label} " + "".join(SHADES[shade] * cell for shade in shaded)
        for label, shaded in zip(rows, shades, strict=True)
    ]
    note = [f"(one cell is {together} x {together} pairs, and shows their mean)"] if together > 1 else []
    return heading + body + note


def _pooled(values: Tensor, size: int) -> Tensor:
    """The mean of each square of `size` by `size` values; those at the edges may be smaller."""
    if size == 1:
        return values
    return torch.nn.functional.avg_pool2d(values[None], size, ceil_mode=True, count_include_pad=False)[0]


def _title(places: list[str], mask: Mask) -> str:
    where = ", ".join(filter(None, places))
    return f"{where}: {mask}" if where else str(mask)


def _numbered(noun: str, numbers: list[int]) -> str:
    """Ascending numbers with neighbours as ranges: "head 0", "heads 0-3, 6"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"{noun}{'s' if len(numbers) > 1 else ''} {text}"
