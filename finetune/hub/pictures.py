"""Drawings of the masks of a run, as text and as a picture."""

import torch
from torch import Tensor

from finetune.attention.drawing import Panel, program_panels, to_text
from finetune.attention.picture import save_picture
from finetune.attention.program import SITES
from finetune.hub.run_facts import RunFacts

LENGTH = 16
"""Number of positions that are drawn."""
PICTURE = "masks.png"
FIRST, LAST = ("is_cls", "is_bos"), ("is_sep", "is_eos")


def draw_masks(facts: RunFacts) -> str:
    """Return a drawing of the masks that are not the standard ones as text, and write a picture into the model folder.

    The masks are drawn for an example of 16 tokens, with special tokens at its ends, and with three segments, sentences
    and words of equal length.
    """
    panels = _panels(facts)
    save_picture(panels, facts.model / PICTURE, None, None)
    return to_text(panels, None, None, 100)


def _panels(facts: RunFacts) -> list[Panel]:
    features = _features(facts)
    config = facts.config
    if config.model_type == "encoder-decoder":
        config = config.encoder
    layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
    sites = [name for name in SITES if not facts.program.is_standard_at(name)]
    return [
        panel
        for name in sites
        for panel in program_panels(facts.program, name, layers, LENGTH, num_heads=heads, features=features)
    ]


def _features(facts: RunFacts) -> dict[str, Tensor]:
    """Return made-up columns and values of the drawn example, for the masks to read."""
    needs, positions = facts.program.needs, torch.arange(LENGTH)
    features: dict[str, Tensor] = {name: torch.tensor(LENGTH // 4) for name in needs.values}
    for name in needs.columns:
        if name.startswith("is_"):
            where = 0 if name in FIRST else LENGTH - 1 if name in LAST else LENGTH // 2
            features[name] = positions == where
        else:
            features[name] = positions * 3 // LENGTH
    return features
