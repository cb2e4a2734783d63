"""How deep in a model each weight lies."""

import re
from collections import defaultdict

from torch import nn

_LAYER = re.compile(r"^(?P<stack>(?:[^.]+\.)*?(?:layer|layers|block|albert_layer_groups))\.(?P<number>\d+)\.")
"""A numbered layer of BERT, DistilBERT (layer), T5 (block) or ALBERT."""
_EMBEDDING = re.compile(r"(^|\.)(embeddings|embed_tokens|shared)\.")


def layers_below_top(model: nn.Module) -> dict[str, int]:
    """For each parameter, how many layers it lies below the head: 0 for the head and what follows the last layer.

    The last layer of a stack is 1 below, the first as many as there are layers, embeddings one more (Howard and Ruder
    2018; Clark et al. 2020, ELECTRA). Encoder and decoder are counted each on its own; embeddings that both share are
    below the deeper.
    """
    places = {name: _LAYER.match(name) for name, _ in model.named_parameters()}
    sizes: dict[str, int] = defaultdict(int)
    for place in places.values():
        if place is not None:
            sizes[place["stack"]] = max(sizes[place["stack"]], int(place["number"]) + 1)
    deepest = max(sizes.values(), default=0)
    depths = {}
    for name, place in places.items():
        if place is not None:
            depths[name] = sizes[place["stack"]] - int(place["number"])
        else:
            depths[name] = deepest + 1 if _EMBEDDING.search(name) else 0
    return depths
