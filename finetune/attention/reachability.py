"""Which input tokens can influence a final representation, after all layers of masked attention.

A layer lets position q read each key that any head of it allows, and the residual connection keeps what q holds
already. So key k influences q after all layers where a path leads from k to q that takes at most one allowed pair in
each layer: the boolean product, over the layers, of (allowed by any head, or the position itself). A decoder's
positions also read the encoder's output through cross-attention. Queries and attention weights add no further paths:
the weights of q depend on q itself and on keys that q is allowed to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.attention.masks.base import Mask
from finetune.attention.masks.scope import Scope

_CHUNK = 512
"""Queries for which a mask is evaluated at a time, so that the integers of a long example never fill the memory."""


@dataclass(frozen=True, eq=False)
class SitePairs:
    """The pairs that each layer of a model allows in one example, in any head.

    Args:
        encoder: For each layer bool [source, source], queries by keys; empty where there is no encoder.
        decoder: For each layer bool [target, target]; empty where there is no decoder.
        cross: For each layer of the decoder bool [target, source].
    """

    encoder: tuple[Tensor, ...] = ()
    decoder: tuple[Tensor, ...] = ()
    cross: tuple[Tensor, ...] = ()


def allowed_in_any_head(mask: Mask, scope: Scope, query_length: int, key_length: int) -> Tensor:
    """The union of a mask over the heads.

    Args:
        mask: Who may attend to whom.
        scope: A single example, as `example_scope` gives it.
        query_length: Number of queries.
        key_length: Number of keys.

    Returns:
        bool [query_length, key_length].

    Raises:
        MaskError: A column is missing, or the number of heads does not fit.
    """
    device = scope.queries.lengths.device
    k = torch.arange(key_length, device=device)  # [keys]
    allowed = torch.zeros(query_length, key_length, dtype=torch.bool, device=device)
    for start in range(0, query_length, _CHUNK):
        q = torch.arange(start, min(start + _CHUNK, query_length), device=device)[:, None]  # [chunk, 1]
        for head in range(scope.num_heads if mask.needs.by_head else 1):
            allowed[start : start + _CHUNK] |= mask.allowed(scope, torch.tensor(head, device=device), q, k)
    return allowed


def reached_tokens(readers: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Input tokens of a stack of self-attention that influence its output at some positions.

    Args:
        readers: int64 [readers], positions of the output; or bool [readers, tokens], sets of positions.
        layers: For each layer, the first one first, bool [tokens, tokens]: queries by keys that any head allows. May be
            empty: the output is then the input.

    Returns:
        bool [readers, tokens].
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
    """Input tokens of target and source that influence the output of an encoder-decoder at some target positions.

    Args:
        readers: int64 [readers], target positions.
        pairs: The allowed pairs of all three sites.

    Returns:
        bool [readers, target] of the decoder's input, and bool [readers, source] of the encoder's.
    """
    source_length = pairs.cross[0].shape[-1]
    target = torch.nn.functional.one_hot(readers, pairs.cross[0].shape[0]).bool()
    source = torch.zeros(len(readers), source_length, dtype=torch.bool, device=target.device)
    for allowed, allowed_source in zip(reversed(pairs.decoder), reversed(pairs.cross), strict=True):
        source |= _product(target, allowed_source)  # cross-attention comes after self-attention in each layer
        target = target | _product(target, allowed)
    return target, reached_tokens(source, pairs.encoder)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """The boolean matrix product: bool [rows, columns] from bool [rows, inner] and bool [inner, columns]."""
    return (left.float() @ right.float()) > 0
