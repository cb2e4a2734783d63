"""The panels of a program for a made-up example, which show its masks where no text is at hand."""

from __future__ import annotations

import torch
from torch import Tensor

from finetune.attention.drawing import Panel, program_panels
from finetune.attention.program import SITES, Program

LENGTH = 16
"""Number of positions that are drawn."""
_FIRST, _LAST = ("is_cls", "is_bos"), ("is_sep", "is_eos")


def example_panels(program: Program, num_layers: int, num_heads: int, length: int = LENGTH) -> list[Panel]:
    """Return the panels of the sites of a program that do not have the standard masks.

    Args:
        program: The masks of a model.
        num_layers: Number of layers at each site.
        num_heads: Number of attention heads.
        length: Number of positions of the example.

    Raises:
        ProgramError: The overrides do not fit the number of layers.
        MaskError: The number of heads does not fit.
    """
    features = example_features(program, length)
    return [
        panel
        for name in SITES
        if not program.is_standard_at(name)
        for panel in program_panels(program, name, num_layers, length, num_heads=num_heads, features=features)
    ]


def example_features(program: Program, length: int) -> dict[str, Tensor]:
    """Return made-up columns and values for the masks to read.

    The example has special tokens at its ends, and three segments, sentences and words of equal length.

    Args:
        program: The masks of a model.
        length: Number of positions of the example.

    Returns:
        Columns [length], and values as scalars, by name.
    """
    needs, positions = program.needs, torch.arange(length)
    features: dict[str, Tensor] = {name: torch.tensor(length // 4) for name in needs.values}
    for name in needs.columns:
        if name.startswith("is_"):
            where = 0 if name in _FIRST else length - 1 if name in _LAST else length // 2
            features[name] = positions == where
        else:
            features[name] = positions * 3 // length
    return features
