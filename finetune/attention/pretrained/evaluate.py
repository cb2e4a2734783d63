"""Evaluates a request for masks: to boolean masks of padded rows, or to attention plans of a ragged stream."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.attention.kernels.fused import EVERYTHING, Allowed
from finetune.attention.kernels.plan import AttentionPlan
from finetune.attention.kernels.scores import PairScores
from finetune.attention.layout import Padded, padded_mask, padded_scores
from finetune.attention.masks import Mask, causal, full
from finetune.attention.masks.causal import Causal
from finetune.attention.masks.errors import MissingColumn
from finetune.attention.masks.operators import And, Or
from finetune.attention.masks.per_head import PerHead
from finetune.attention.planning import plan
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.tokens import MaskRequest, Tokens


@dataclass(frozen=True, eq=False)
class SiteMasks:
    """The evaluated masks of a site, which transformers passes to every layer of it.

    Args:
        request: The request.
        allowed: The evaluated masks in the order of `request.masks`; empty for a ragged stream.
        plans: The attention plans of the masks in the order of `request.masks`; empty for padded rows.
        scores: The numbers of the masks' score terms in the order of `request.masks`; empty for a ragged stream, whose
            plans hold them.
    """

    request: MaskRequest
    allowed: tuple[Allowed, ...] = ()
    plans: tuple[AttentionPlan, ...] = ()
    scores: tuple[tuple[PairScores, ...], ...] = ()


def evaluate_masks(request: MaskRequest) -> SiteMasks:
    """Evaluate each mask of a request.

    Raises:
        PretrainedError: A mask reads a column that is not given, or it means something else in generation than in
            training.
        LayoutError: A row has padding between its tokens.
        MaskError: A mask cannot be evaluated.
    """
    try:
        if request.queries.stream is not None:
            return SiteMasks(request, plans=_plans(request))
        return _of_rows(request)
    except MissingColumn as error:
        raise PretrainedError(f"{error}; {_how_to_give(request)}") from error


def _plans(request: MaskRequest) -> tuple[AttentionPlan, ...]:
    """Return the plan of each mask in a ragged stream."""
    queries = request.queries.ragged
    keys = queries if request.keys is request.queries else request.keys.ragged
    return tuple(
        plan(
            mask,
            queries,
            keys,
            request.num_heads,
            head_dim=request.head_dim,
            has_relative_bias=request.has_relative_bias,
            kernel=request.kernel,
            padded_lengths=(request.queries.padded_length, request.keys.padded_length),
        )
        for mask in request.masks
    )


def _of_rows(request: MaskRequest) -> SiteMasks:
    """Return each mask, and the numbers of its score terms, in padded rows."""
    known = _stock_masks(request)
    # The layout of the rows is made only if a mask needs it. So rows with padding between tokens, which have no layout,
    # can be used under the standard masks, as in the stock model.
    layouts = None if known.issuperset(request.masks) else Layouts.of(request)
    allowed = tuple(
        _stock(mask, request) if layouts is None or mask in known else _allowed(mask, request, layouts)
        for mask in request.masks
    )
    scores = tuple(() if layouts is None else _scores(mask, request, layouts) for mask in request.masks)
    return SiteMasks(request, allowed, scores=scores)


@dataclass(frozen=True, eq=False)
class Layouts:
    """The layouts of the padded rows of a request.

    Args:
        queries: The layout of the queries, without the tokens in the cache.
        own: The layout of all tokens of the queries' side, including those in the cache.
        keys: The layout of the keys; the same object as `own` in self-attention.
    """

    queries: Padded
    own: Padded
    keys: Padded

    @classmethod
    def of(cls, request: MaskRequest) -> Layouts:
        """Return the layouts of a request.

        Raises:
            LayoutError: A row has padding between its tokens.
        """
        own = request.queries.layout()
        queries = request.queries.last(request.query_length, own)
        return cls(queries, own, request.keys.layout() if request.site == "cross" else own)


def _stock_masks(request: MaskRequest) -> set[Mask]:
    """Return the masks of the request's site that `_stock` can make."""
    if request.site != "decoder":
        return {full()}
    # Under full(), tokens in the cache would have to attend to later ones. `_check_step` raises an error for that.
    return {causal()} if request.past else {causal(), full()}


def _stock(mask: Mask, request: MaskRequest) -> Allowed:
    """Return a mask of the stock model, made as the stock model makes it."""
    return _causal(request) if mask == causal() else _keys(request.keys)


def _allowed(mask: Mask, request: MaskRequest, layouts: Layouts) -> Allowed:
    """Return any mask in padded rows: bool [batch, heads or 1, queries, keys]."""
    if request.past:
        _check_step(mask, request, layouts)
    # A query may stand after tokens in the cache: its position comes from `queries`, or from `query_offset`.
    if request.site == "cross":
        return Allowed.of(padded_mask(mask.boolean, layouts.queries, layouts.keys, num_heads=request.num_heads))
    return Allowed.of(padded_mask(mask.boolean, layouts.own, num_heads=request.num_heads, query_offset=request.past))


def _scores(mask: Mask, request: MaskRequest, layouts: Layouts) -> tuple[PairScores, ...]:
    """Return the numbers of a mask's score terms in padded rows."""
    if request.site == "cross":
        return padded_scores(mask, layouts.queries, layouts.keys, num_heads=request.num_heads)
    return padded_scores(mask, layouts.own, num_heads=request.num_heads, query_offset=request.past)


def _keys(keys: Tokens) -> Allowed:
    """Return the mask that allows all tokens as keys, also to queries that are padding, as the stock model does."""
    if keys.valid is None or (not torch.compiler.is_compiling() and bool(keys.valid.all())):
        return EVERYTHING
    return Allowed.of(keys.valid[:, None, None, :])  # [batch, 1, 1, keys]


def _causal(request: MaskRequest) -> Allowed:
    """Return the causal mask of the stock decoder, which compares positions in the row, padding included."""
    allowed = _keys(request.keys)
    if request.query_length == 1:
        return allowed
    if allowed is EVERYTHING and not request.past:
        return Allowed.triangle(request.query_length, request.keys.device)
    # [queries, keys]
    square = torch.ones(request.query_length, request.keys.padded_length, dtype=torch.bool, device=request.keys.device)
    # The first query stands at the position `past`, and sees that many keys before it.
    triangle = square.tril(request.past)[None, None]  # [1, 1, queries, keys]
    return Allowed.of(triangle if request.keys.valid is None else triangle & request.keys.valid[:, None, None, :])


def _check_step(mask: Mask, request: MaskRequest, layouts: Layouts) -> None:
    """Raise an error for a step of generation in which the mask is not the one that the model was trained with.

    Raises:
        PretrainedError: The mask depends on the length of the text, reads token columns, or lets tokens in the cache
            attend to later ones.
    """
    check_generation(mask, request.site, cached=True)
    if request.site == "decoder" and not never_ahead(mask) and bool(_ahead(mask, request, layouts.own).any()):
        raise PretrainedError(
            f"the decoder's mask {mask} lets tokens in the cache attend to later ones, which were not there "
            "when they were computed; generate with use_cache=False, or give the prefix as decoder_input_ids"
        )


def check_generation(mask: Mask, site: str, cached: bool) -> None:
    """Raise an error for a mask whose meaning changes while a text is generated.

    Args:
        mask: The mask.
        site: The site of the mask, "decoder" or "cross".
        cached: Whether keys and values of earlier tokens come from a cache.

    Raises:
        PretrainedError: The mask depends on the length of the text; or a cache is used, and the mask is that of the
            decoder and reads token columns.
    """
    if mask.needs.length:
        raise PretrainedError(
            f"the mask {mask} of site {site!r} depends on the length of the text, which is not known while it is "
            "generated; leave out random_keys, positions from the end, and custom predicates or score functions that "
            "read the length"
        )
    if cached and site == "decoder" and mask.needs.columns:
        raise PretrainedError(
            f"the mask {mask} of the decoder reads token columns, which a cache does not hold; generate with "
            "use_cache=False"
        )


def never_ahead(mask: Mask) -> bool:
    """Return whether it is certain by the form of a mask that it never allows a key after the query."""
    mask = mask.boolean
    if isinstance(mask, And):
        return any(map(never_ahead, mask.members))
    if isinstance(mask, Or):
        return all(map(never_ahead, mask.members))
    if isinstance(mask, PerHead):
        return all(map(never_ahead, mask.masks))
    return isinstance(mask, Causal)


def _ahead(mask: Mask, request: MaskRequest, own: Padded) -> Tensor:
    """Return which new tokens the tokens in the cache may attend to, bool [batch, heads, cached, new]."""
    return padded_mask(mask.boolean, own, num_heads=request.num_heads, query_length=request.past)[..., request.past :]


def _how_to_give(request: MaskRequest) -> str:
    """Return how columns and values are passed to the model, for messages."""
    given = "decoder_mask_features" if request.site == "decoder" else "mask_features"
    return (
        f"columns and values are given as model(..., {given}={{name: tensor}}), special tokens as "
        "apply_masks(..., special_tokens={name: id}), segments as token_type_ids"
    )
