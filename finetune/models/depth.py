"""The depth of each weight in a model, by which learning rates of layers decay."""

import re
from collections import defaultdict

from torch import nn

_LAYER = re.compile(r"^(?P<stack>(?:[^.]+\.)*?(?:layer|layers|block|albert_layer_groups))\.(?P<number>\d+)\.")
"""The start of the name of a weight in a numbered layer: of BERT and DistilBERT (layer), T5 (block), ALBERT or
others."""
_EMBEDDING = re.compile(r"(^|\.)(embeddings|embed_tokens|shared)\.")


def layers_below_top(model: nn.Module) -> dict[str, int]:
    """Return how many layers each parameter lies below the head.

    The depth is 0 for the head and what follows the last layer, 1 for the last layer of a stack, the number of layers
    for the first, and one more for embeddings (Howard and Ruder 2018; Clark et al. 2020, ELECTRA). The layers of
    encoder and decoder are counted separately; embeddings lie below the deeper of both.

    Args:
        model: The model.

    Returns:
        The depth by the name of the parameter.
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
