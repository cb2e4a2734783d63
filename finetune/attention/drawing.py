"""Drawings of masks and of attention weights, as text for a terminal; `picture` draws the same panels into a file.

Each pair is a cell; queries are rows, and keys are columns. A drawing is a list of panels. `mask_panels` and
`program_panels` make them from masks, where heads and layers with equal masks share a panel. The panels of attention
weights have values between 0 and 1; those of masks with score terms have the numbers that are added to the scores, and
the scale goes from the least to the greatest of them in all panels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.attention.layout import dense_scores
from finetune.attention.masks.base import Mask
from finetune.attention.masks.scope import ExampleFeatures
from finetune.attention.program import CAUSAL_ADDED, Program, SiteName
from finetune.attention.shading import MASKED, SHADES, legends, score_range, shade_cells

LABEL_LIMIT = 14
"""Number of characters of a token that are shown."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One matrix to draw.

    Args:
        title: Title above the matrix.
        values: bool [queries, keys], True means attend; or attention weights between 0 and 1, or the numbers that a
            mask adds to the scores, of the same shape.
        allowed: bool [queries, keys], True means that the mask allows the pair, so that masked pairs of weights and
            scores can be shown as such; None if it is not known.
        are_scores: Whether the values are numbers that a mask adds to the scores, and not attention weights.
    """

    title: str
    values: Tensor
    allowed: Tensor | None = None
    are_scores: bool = False


def mask_panels(
    mask: Mask,
    query_length: int,
    key_length: int | None = None,
    num_heads: int = 1,
    features: ExampleFeatures | None = None,
    key_features: ExampleFeatures | None = None,
    where: str = "",
    written: Sequence[Mask] = (),
) -> list[Panel]:
    """Return a panel for each group of heads that may attend to the same keys, with the same scores.

    Args:
        mask: The mask to draw.
        query_length: Number of queries.
        key_length: Number of keys; None in self-attention, where the keys are the queries.
        num_heads: Number of attention heads.
        features: Token columns of the queries, and values of the example.
        key_features: Token columns of the keys, and values of the example; in cross-attention only.
        where: The beginning of every title: the site and the layers.
        written: The mask as each layer's program has it. A title says of the heads for which one of them differs that
            causal() was added.

    Raises:
        MaskError: A column is missing or of the wrong length, or the number of heads does not fit.
    """
    example = query_length, key_length, num_heads, features, key_features
    allowed = mask.dense(*example)  # [heads, queries, keys]
    scores = dense_scores(mask, *example) if mask.terms else None  # [heads, queries, keys]
    groups: dict[int, list[int]] = {}  # the heads that are like the first one, by its number
    for head in range(num_heads):
        like = (first for first in groups if _are_alike(allowed, first, head) and _are_alike(scores, first, head))
        groups.setdefault(next(like, head), []).append(head)
    panels = []
    for first, heads in groups.items():
        places = [where, _numbered("head", heads) if len(groups) > 1 else ""]
        places.append(causal_note(mask, written, heads, num_heads))
        title = _title(places, mask if len(groups) == 1 else mask.at_head(first, num_heads))
        of_scores = None if scores is None else Panel(title, scores[first], allowed[first], are_scores=True)
        panels.append(of_scores or Panel(title, allowed[first]))
    return panels


def _are_alike(by_head: Tensor | None, first: int, second: int) -> bool:
    """Return whether two heads have the same numbers in a tensor [heads, queries, keys]; None is alike in all."""
    return by_head is None or torch.equal(by_head[first], by_head[second])


def causal_note(mask: Mask, written: Sequence[Mask], heads: Sequence[int], num_heads: int) -> str:
    """Return what a title says of a mask of the decoder that was made causal; "" for a mask that was not.

    Args:
        mask: The mask that the heads obey.
        written: The masks that it was made of, as they are written in the program.
        heads: The heads.
        num_heads: Number of attention heads.

    Raises:
        MaskError: The number of heads does not fit a mask.
    """
    is_added = any(mask.at_head(head, num_heads) != one.at_head(head, num_heads) for one in written for head in heads)
    return CAUSAL_ADDED if is_added else ""


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
    """Return the panels of one site of a program, for each group of layers that have the same mask.

    Args:
        program: The masks of a model.
        site: The site: encoder, decoder or cross.
        num_layers: Number of layers at the site.
        query_length: Number of queries.
        key_length: Number of keys; None in self-attention, where the keys are the queries.
        num_heads: Number of attention heads.
        features: Token columns of the queries, and values of the example.
        key_features: Token columns of the keys, and values of the example; in cross-attention only.

    Raises:
        ProgramError: The overrides do not fit the number of layers.
        MaskError: A column is missing or of the wrong length, or the number of heads does not fit.
    """
    written = program.written_by_layer(site, num_layers)
    layers_of: dict[Mask, list[int]] = {}
    for layer, mask in enumerate(program.by_layer(site, num_layers)):
        layers_of.setdefault(mask, []).append(layer)
    panels: list[Panel] = []
    for mask, layers in layers_of.items():
        where = f"{site}, {_numbered('layer', layers)}" if len(layers_of) > 1 else site
        by_program = list(dict.fromkeys(written[layer] for layer in layers))
        panels += mask_panels(mask, query_length, key_length, num_heads, features, key_features, where, by_program)
    return panels


def to_text(
    panels: Sequence[Panel],
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    width: int = 100,
) -> str:
    """Return the panels as text for a terminal, one below the other.

    Args:
        panels: At least one panel.
        query_tokens: Labels of the rows; positions if not given.
        key_tokens: Labels of the columns, which are written downwards. If not given, they are `query_tokens` where
            there are as many keys as queries, and positions otherwise.
        width: Number of characters in a line of the terminal. Where a panel is wider, neighbouring pairs share a
            cell, which then shows their mean.

    Raises:
        ValueError: There are more or fewer tokens than rows or columns.
    """
    lines, ends = [], score_range(panels)
    for panel in panels:
        rows, columns = panel_labels(panel, query_tokens, key_tokens)
        lines += [panel.title, *_matrix_lines(panel, rows, columns, width, ends), ""]
    return "\n".join([*lines, *legends(panels, ends)])


def panel_labels(
    panel: Panel, query_tokens: Sequence[str] | None, key_tokens: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Return the labels of the rows and of the columns."""
    queries, keys = panel.values.shape
    if key_tokens is None and queries == keys:
        key_tokens = query_tokens
    return _axis("queries", queries, query_tokens), _axis("keys", keys, key_tokens)


def _axis(name: str, length: int, tokens: Sequence[str] | None) -> list[str]:
    """Return the labels of one axis: the tokens, shortened and without characters that cannot be printed."""
    if tokens is None:
        return [str(position) for position in range(length)]
    if len(tokens) != length:
        raise ValueError(f"there are {length} {name}, but {len(tokens)} tokens")
    return ["".join(sign if sign.isprintable() else " " for sign in token)[:LABEL_LIMIT] for token in tokens]


def _matrix_lines(
    panel: Panel, rows: list[str], columns: list[str], width: int, ends: tuple[float, float]
) -> list[str]:
    """Return the lines of one panel: the labels of the columns, written downwards, then a line for each row."""
    from rich.cells import cell_len, set_cell_size  # the width of a character can be 0, 1 or 2 cells of a terminal

    margin = max(map(cell_len, rows), default=0)
    room = max(1, width - margin - 1)
    pool = max(1, math.ceil(len(columns) / room))  # neighbouring pairs that share a cell, in each direction
    cell = 2 if 2 * len(columns) <= room else 1  # two characters of a terminal are about a square
    rows, columns = rows[::pool], columns[::pool]
    cells = shade_cells(panel, pool, ends)  # [rows, columns]
    height = max(map(len, columns), default=0)
    heading = [
        " " * (margin + 1) + "".join(set_cell_size(column.rjust(height)[line], cell) for column in columns).rstrip()
        for line in range(height)
    ]
    signs = {MASKED: " ", **dict(enumerate(SHADES))}
    body = [
        " " * (margin - cell_len(label)) + f"{label} " + "".join(signs[shade] * cell for shade in shaded)
        for label, shaded in zip(rows, cells.tolist(), strict=True)
    ]
    note = [f"(one cell is {pool} x {pool} pairs, and shows their mean)"] if pool > 1 else []
    return heading + body + note


def _title(places: list[str], mask: Mask) -> str:
    """Return the title of a panel: site, layers, heads and notes as far as there are any, and the mask."""
    where = ", ".join(filter(None, places))
    return f"{where}: {mask}" if where else str(mask)


def _numbered(noun: str, numbers: list[int]) -> str:
    """Return ascending numbers as text, neighbours as ranges: "head 0", "heads 0-3, 6"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"{noun}{'s' if len(numbers) > 1 else ''} {text}"
