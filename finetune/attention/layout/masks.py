"""Evaluation of masks in a layout: `padded_mask` and `ragged_mask`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from finetune.attention.layout.layouts import LayoutError, Padded, Ragged
from finetune.attention.masks.base import Mask
from finetune.attention.masks.errors import MaskError
from finetune.attention.masks.named_tokens import mark_column
from finetune.attention.masks.scope import Scope


def padded_mask(
    mask: Mask,
    queries: Padded,
    keys: Padded | None = None,
    *,
    num_heads: int = 1,
    query_offset: int = 0,
    query_length: int | None = None,
) -> Tensor:
    """Evaluate a mask in a padded batch; False at padding on both sides.

    Args:
        mask: Who may attend to whom.
        queries: The rows of the queries.
        keys: The rows of the keys in cross-attention; None in self-attention.
        num_heads: Number of attention heads.
        query_offset: Index in a row of the first query that is evaluated. In generation with a cache, `queries` has
            all tokens so far, and only the last of them are queries.
        query_length: Number of positions of a row that are evaluated; all from `query_offset` on if not given.

    Returns:
        bool [batch, heads, queries, keys]; heads is 1 where the mask is the same in all heads.

    Raises:
        MaskError: A column is missing, the number of heads does not fit, or the mask has score terms.
        LayoutError: Queries and keys have different numbers of examples.
    """
    _check_boolean(mask, "padded_scores")
    keys = queries if keys is None else keys
    stop = queries.padded_length if query_length is None else query_offset + query_length
    q = queries.positions[:, None, query_offset:stop, None]  # [batch, 1, queries, 1]
    k = keys.positions[:, None, None, :]  # [batch, 1, 1, keys]
    valid = queries.valid[:, None, query_offset:stop, None] & keys.valid[:, None, None, :]
    example = torch.arange(len(queries.lengths), device=q.device)[:, None, None, None]
    scope = layout_scope(queries, keys, example, num_heads)
    head = torch.arange(num_heads if mask.needs.by_head else 1, device=q.device)[:, None, None]
    # head == head is True of shape [heads, 1, 1]: the result has its heads even where the mask reads none.
    return mask.allowed(scope, head, q, k) & valid & (head == head)


def ragged_mask(
    mask: Mask,
    queries: Ragged,
    keys: Ragged | None = None,
    *,
    num_heads: int = 1,
    query_tokens: Tensor | None = None,
    key_tokens: Tensor | None = None,
) -> Tensor:
    """Evaluate a mask between tokens of a stream; False between tokens of different examples.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys in cross-attention; None in self-attention.
        num_heads: Number of attention heads.
        query_tokens: int64 [..., queries], indices of tokens in the stream of the queries; an index outside it, such
            as -1 at padding, attends to no key. All tokens if not given.
        key_tokens: int64 [..., keys], indices of tokens in the stream of the keys; no query attends to an index
            outside it. All tokens if not given.

    Returns:
        bool [..., heads, queries, keys]; heads is 1 where the mask is the same in all heads.

    Raises:
        MaskError: A column is missing, the number of heads does not fit, or the mask has score terms.
        LayoutError: Queries and keys have different numbers of examples.
    """
    _check_boolean(mask, "ragged_scores")
    keys = queries if keys is None else keys
    q, query_example = locate(queries, query_tokens)
    k, key_example = locate(keys, key_tokens)
    q, query_example = q[..., None, :, None], query_example[..., None, :, None]  # [..., 1, queries, 1]
    k, key_example = k[..., None, None, :], key_example[..., None, None, :]  # [..., 1, 1, keys]
    scope = layout_scope(queries, keys, query_example.clamp(min=0), num_heads)
    head = torch.arange(num_heads if mask.needs.by_head else 1, device=q.device)[:, None, None]
    together = (query_example == key_example) & (query_example >= 0)  # [..., 1, queries, keys]
    if not len(queries.lengths):  # a mask cannot read the length of an example where there is none
        return together & (head == head)
    return mask.allowed(scope, head, q, k) & together & (head == head)


def _check_boolean(mask: Mask, evaluates: str) -> None:
    """Raise MaskError for a mask with score terms, which a boolean result would lose.

    Args:
        mask: The mask.
        evaluates: Name of the function that evaluates score terms.
    """
    if mask.terms:
        raise MaskError(
            f"{mask} adds to the scores, which a boolean mask cannot hold; give mask.boolean here, and add the numbers "
            f"of {evaluates}(mask, ...) to the scores"
        )


def layout_scope(queries: Padded | Ragged, keys: Padded | Ragged, example: Tensor, num_heads: int) -> Scope:
    """Return the scope in which masks are evaluated for the examples of a layout.

    Args:
        queries: Where the queries lie.
        keys: Where the keys lie; the same object in self-attention.
        example: int64, the example that each element belongs to, broadcastable with heads, queries and keys.
        num_heads: Number of attention heads.

    Raises:
        LayoutError: Queries and keys have different numbers of examples.
    """
    if len(queries.lengths) != len(keys.lengths):
        raise LayoutError(f"there are {len(queries.lengths)} examples of queries and {len(keys.lengths)} of keys")
    query_side = queries.side()
    key_side = query_side if keys is queries else keys.side()
    return Scope(query_side, key_side, example, num_heads, {**queries.values, **keys.values})


def special_token_columns(input_ids: Tensor, token_ids: Mapping[str, int | Sequence[int]]) -> dict[str, Tensor]:
    """Return the token columns that mark special tokens, which `global_tokens(cls)` reads.

    Args:
        input_ids: Token ids, integers of any shape.
        token_ids: name -> the id of a special token, or several ids: {"cls": 101, "sep": 102}.

    Returns:
        "is_<name>" -> int64 of the shape of `input_ids`, 1 at those tokens and 0 elsewhere.
    """
    return {
        mark_column(name): torch.isin(input_ids, torch.as_tensor(ids, device=input_ids.device)).long()
        for name, ids in token_ids.items()
    }


def locate(layout: Ragged, tokens: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return position and example of tokens, int64 of the same shape; outside the stream the example is -1."""
    if tokens is None:
        return layout.positions, layout.example_ids
    inside = (tokens >= 0) & (tokens < layout.total)
    if not layout.total:
        return torch.zeros_like(tokens), torch.full_like(tokens, -1)
    index = tokens.clamp(0, layout.total - 1)
    return layout.positions[index], layout.example_ids[index].where(inside, -1)
