"""Reachability: which input tokens can influence a final representation, after all layers of masked attention.

In each layer, position q reads every key that any head allows, and the residual connection keeps what q holds already.
So the input at k influences q after all layers if a path leads from k to q that takes at most one allowed pair in each
layer: this is the boolean matrix product, over the layers, of (allowed in any head, or the position itself). Positions
of a decoder also read the encoder's output through cross-attention. There are no other paths: the attention weights of
q depend on q itself and on keys that q is allowed to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.attention.masks.base import Mask
from finetune.attention.masks.scope import Scope

_CHUNK = 512
"""Number of queries for which a mask is evaluated at a time, which bounds the memory in long examples."""


@dataclass(frozen=True, eq=False)
class SitePairs:
    """The pairs that each layer of a model allows in any head, in one example.

    Args:
        encoder: A tensor bool [source, source] for each layer, queries by keys; empty where there is no encoder.
        decoder: A tensor bool [target, target] for each layer; empty where there is no decoder.
        cross: A tensor bool [target, source] for each layer of the decoder; empty where there is no decoder.
    """

    encoder: tuple[Tensor, ...] = ()
    decoder: tuple[Tensor, ...] = ()
    cross: tuple[Tensor, ...] = ()


def allowed_in_any_head(mask: Mask, scope: Scope, query_length: int, key_length: int) -> Tensor:
    """Return the union of a mask over all heads. Score terms exclude no pair, and change nothing here.

    Args:
        mask: Who may attend to whom.
        scope: A single example, as `example_scope` returns it.
        query_length: Number of queries.
        key_length: Number of keys.

    Returns:
        bool [query_length, key_length].

    Raises:
        MaskError: A column is missing, or the number of heads does not fit.
    """
    mask, device = mask.boolean, scope.queries.lengths.device
    k = torch.arange(key_length, device=device)  # [keys]
    allowed = torch.zeros(query_length, key_length, dtype=torch.bool, device=device)
    for start in range(0, query_length, _CHUNK):
        q = torch.arange(start, min(start + _CHUNK, query_length), device=device)[:, None]  # [chunk, 1]
        for head in range(scope.num_heads if mask.needs.by_head else 1):
            allowed[start : start + _CHUNK] |= mask.allowed(scope, torch.tensor(head, device=device), q, k)
    return allowed


def reached_tokens(readers: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Return the input tokens that influence the output of a stack of self-attention at some positions.

    Args:
        readers: int64 [readers], positions of the output; or bool [readers, tokens], sets of positions.
        layers: A tensor bool [tokens, tokens] for each layer, the first layer first: the keys that each query may
            attend to in any head. With no layer the output is the input, and `readers` must be sets.

    Returns:
        bool [readers, tokens].

    Raises:
        ValueError: There is no layer, and `readers` are positions.
    """
    if readers.dtype == torch.bool:
        reached = readers
    elif layers:
        reached = torch.nn.functional.one_hot(readers, layers[0].shape[-1]).bool()
    else:
        raise ValueError("positions are read of a stack of layers, and there is none")
    for allowed in reversed(layers):
        reached = reached | _product(reached, allowed)
    return reached


def reached_by_decoder(readers: Tensor, pairs: SitePairs) -> tuple[Tensor, Tensor]:
    """Return the input tokens that influence the output of an encoder-decoder at some positions of the target.

    Args:
        readers: int64 [readers], positions of the target.
        pairs: The allowed pairs at all three sites.

    Returns:
        The tokens of the decoder's input, bool [readers, target], and of the encoder's, bool [readers, source].
    """
    source_length = pairs.cross[0].shape[-1]
    target = torch.nn.functional.one_hot(readers, pairs.cross[0].shape[0]).bool()
    source = torch.zeros(len(readers), source_length, dtype=torch.bool, device=target.device)
    for allowed, allowed_source in zip(reversed(pairs.decoder), reversed(pairs.cross), strict=True):
        source |= _product(target, allowed_source)  # cross-attention comes after self-attention in each layer
        target = target | _product(target, allowed)
    return target, reached_tokens(source, pairs.encoder)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Return the boolean matrix product, bool [rows, columns], of bool [rows, inner] and bool [inner, columns]."""
    # torch has no matrix product of booleans. A sum of zeros and ones is positive where any of them is 1.
    return (left.float() @ right.float()) > 0
