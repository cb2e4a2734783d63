"""Evaluation of score terms in a layout, as `padded_mask` and `ragged_mask` evaluate masks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from finetune.attention.kernels.scores import PairScores
from finetune.attention.layout.layouts import Padded, Ragged
from finetune.attention.layout.masks import layout_scope, locate
from finetune.attention.masks import Mask, MaskError, ScoreTerm
from finetune.attention.masks.scope import AttentionSide, ExampleFeatures, Scope, example_scope
from finetune.attention.masks.scored import check_site


def padded_scores(
    mask: Mask,
    queries: Padded,
    keys: Padded | None = None,
    *,
    num_heads: int = 1,
    query_offset: int = 0,
) -> tuple[PairScores, ...]:
    """Evaluate the score terms of a mask in a padded batch.

    Args:
        mask: The mask; one without terms has none.
        queries: The rows of the queries.
        keys: The rows of the keys in cross-attention; None in self-attention.
        num_heads: Number of attention heads.
        query_offset: Index in a row of the first query. In generation with a cache, `queries` has all tokens so far,
            and only the last of them are queries.

    Returns:
        For each term its numbers, whose pairs are broadcastable to [batch, heads, queries, keys].

    Raises:
        MaskError: A column is missing, a term is not defined at the site, or a number is not finite.
        LayoutError: Queries and keys have different numbers of examples.
    """
    keys = queries if keys is None else keys
    q = queries.positions[:, None, query_offset:, None]  # [batch, 1, queries, 1]
    k = keys.positions[:, None, None, :]  # [batch, 1, 1, keys]
    example = torch.arange(len(queries.lengths), device=q.device)[:, None, None, None]
    found = []
    for term in mask.terms:
        # Rows that begin at the same place have the same positions. Compiled code cannot branch on values.
        if _reads_positions_alone(term) and not torch.compiler.is_compiling() and _share_start(queries, keys):
            found.append(_evaluate(term, layout_scope(queries, keys, example[:1], num_heads), q[:1], k[:1]))
        else:
            scope = layout_scope(queries, keys, example, num_heads)
            found.append(_evaluate(term, scope, _inside(q, scope.queries, example), _inside(k, scope.keys, example)))
    return tuple(found)


def ragged_scores(
    terms: Iterable[ScoreTerm],
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    heads: range,
    query_tokens: Tensor,
    key_tokens: Tensor,
) -> tuple[PairScores, ...]:
    """Evaluate score terms in tiles of a stream.

    Args:
        terms: The score terms.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of attention heads of the model.
        heads: The heads of the tiles.
        query_tokens: int64 [tiles, queries], indices of tokens in the stream of the queries; -1 at padding.
        key_tokens: int64 [tiles, keys], indices of tokens in the stream of the keys; -1 at padding.

    Returns:
        For each term its numbers, whose pairs are broadcastable to [tiles, heads, queries, keys].

    Raises:
        MaskError: A column is missing, a term is not defined at the site, or a number is not finite.
        LayoutError: Queries and keys have different numbers of examples.
    """
    (q, query_example), (k, key_example) = locate(queries, query_tokens), locate(keys, key_tokens)
    example = query_example.amax(1, keepdim=True).clamp(min=0)[:, None, :, None]  # [tiles, 1, 1, 1]
    common = _common(q, query_example >= 0), _common(k, key_example >= 0)
    found = []
    for term in terms:
        at, q_here, k_here = example, q, k
        if _reads_positions_alone(term) and common[0] is not None and common[1] is not None:
            at, q_here, k_here = example[:1], common[0], common[1]
        scope = layout_scope(queries, keys, at, num_heads)
        found.append(_evaluate(term, scope, q_here[:, None, :, None], k_here[:, None, None, :], heads))
    return tuple(found)


def dense_scores(
    mask: Mask,
    query_length: int,
    key_length: int | None = None,
    num_heads: int = 1,
    features: ExampleFeatures | None = None,
    key_features: ExampleFeatures | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Evaluate the score terms of a mask for all pairs of one example, allowed or not.

    Args:
        mask: The mask; the numbers of one without terms are 0.
        query_length: Number of queries.
        key_length: Number of keys; None in self-attention, where the keys are the queries.
        num_heads: Number of attention heads.
        features: Token columns of the queries, and values of the example.
        key_features: Token columns of the keys, and values of the example; in cross-attention only.
        device: Device on which the terms are evaluated.

    Returns:
        float64 [num_heads, query_length, key_length], the sum of all terms; float32 on devices without float64.

    Raises:
        MaskError: A column is missing, a term is not defined at the site, or a number is not finite.
    """
    scope = example_scope(query_length, key_length, num_heads, features, key_features, device)
    key_length = query_length if key_length is None else key_length
    q = torch.arange(query_length, device=device)[None, None, :, None]
    k = torch.arange(key_length, device=device)[None, None, None]
    dtype = _widest(q.device)
    total = torch.zeros(num_heads, query_length, key_length, dtype=dtype, device=device)
    for term in mask.terms:
        total += _evaluate(term, scope, q, k).product(dtype)[0]
    return total


def _evaluate(term: ScoreTerm, scope: Scope, q: Tensor, k: Tensor, heads: range | None = None) -> PairScores:
    """Return the numbers of a term.

    Args:
        term: The term.
        scope: The examples of each tile or row.
        q: int64 [tiles, 1, queries, 1], positions of queries.
        k: int64 [tiles, 1, 1, keys], positions of keys.
        heads: The heads that are evaluated; all if not given.
    """
    check_site((term,), in_cross=scope.queries is not scope.keys)
    heads = range(scope.num_heads) if heads is None else heads
    some = heads if term.needs.by_head else heads[:1]
    head = torch.arange(some.start, some.stop, device=q.device)[:, None, None]
    pairs = term.pair_scores(scope, head, q, k)
    pairs = pairs if pairs.dtype == torch.float64 else pairs.float()
    if not torch.compiler.is_compiling() and not bool(pairs.isfinite().all()):
        raise MaskError(f"{term} must add finite numbers, got {_first_of_other(pairs)}; exclude pairs by a mask")
    own = term.head_factors(scope.num_heads)[heads.start : heads.stop]
    factors = torch.tensor(own, dtype=_widest(q.device), device=q.device)
    return PairScores(pairs[(None,) * (4 - pairs.ndim)], factors)


def _widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 for a device that has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def _first_of_other(pairs: Tensor) -> float:
    return float(pairs[~pairs.isfinite()][0])


def _reads_positions_alone(term: ScoreTerm) -> bool:
    """Return whether a term is the same in all examples."""
    needs = term.needs
    return not (needs.columns or needs.values or needs.length)


def _share_start(queries: Padded, keys: Padded) -> bool:
    """Return whether the tokens of all rows begin at the same place."""
    return all(bool((side.starts == side.starts[:1]).all()) for side in (queries, keys))


def _inside(positions: Tensor, side: AttentionSide, example: Tensor) -> Tensor:
    """Return positions [batch, ...], where those of padding are replaced by others that exist in the example."""
    return torch.minimum(positions, side.lengths[example] - 1).clamp(min=0)


def _common(positions: Tensor, is_token: Tensor) -> Tensor | None:
    """Return the positions that all tiles have in common, int64 [1, slots]; None where they differ.

    Args:
        positions: int64 [tiles, slots], arbitrary where there is no token.
        is_token: bool [tiles, slots].
    """
    if not len(positions):
        return None
    common = positions.where(is_token, 0).amax(0, keepdim=True)
    return common if bool(((positions == common) | ~is_token).all()) else None
