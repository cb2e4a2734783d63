"""From a request to boolean masks or to plans of a stream, each different mask once a forward."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.attention.kernels.fused import EVERYTHING, Allowed
from finetune.attention.kernels.plan import AttentionPlan
from finetune.attention.layout import Padded, padded_mask
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
    """The evaluated masks of a site, which reach every layer of it.

    Args:
        request: What was asked for.
        allowed: The masks, in the request's order; of padded rows.
        plans: The plan of attention under each, likewise; of a ragged stream.
    """

    request: MaskRequest
    allowed: tuple[Allowed, ...] = ()
    plans: tuple[AttentionPlan, ...] = ()


def evaluate_masks(request: MaskRequest) -> SiteMasks:
    """Evaluate each mask of the request.

    Raises:
        PretrainedError: A mask lacks a column, or means something else in generation than in training.
        LayoutError: There is padding between tokens.
        MaskError: A mask cannot be evaluated.
    """
    try:
        if request.queries.stream is not None:
            return SiteMasks(request, plans=_plans(request))
        return SiteMasks(request, allowed=_of_rows(request))
    except MissingColumn as error:
        raise PretrainedError(f"{error}; {_how_to_give(request)}") from error


def _plans(request: MaskRequest) -> tuple[AttentionPlan, ...]:
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


def _of_rows(request: MaskRequest) -> tuple[Allowed, ...]:
    known = _stock_masks(request)
    layouts = None if known.issuperset(request.masks) else Layouts.of(request)
    return tuple(
        _stock(mask, request) if layouts is None or mask in known else _allowed(mask, request, layouts)
        for mask in request.masks
    )


@dataclass(frozen=True, eq=False)
class Layouts:
    """Where tokens are.

    Args:
        queries: The queries.
        own: All tokens of the queries' side, those in the cache included.
        keys: The keys; the same object as `own` in self-attention.
    """

    queries: Padded
    own: Padded
    keys: Padded

    @classmethod
    def of(cls, request: MaskRequest) -> Layouts:
        """The layouts of a request. Raises LayoutError where there is padding between tokens."""
        own = request.queries.layout()
        queries = request.queries.last(request.query_length, own)
        return cls(queries, own, request.keys.layout() if request.site == "cross" else own)


def _stock_masks(request: MaskRequest) -> set[Mask]:
    """The masks of the request's site that `_stock` makes."""
    if request.site != "decoder":
        return {full()}
    # Under full(), tokens in a cache ought to have seen later ones, which is looked into with the other masks.
    return {causal()} if request.past else {causal(), full()}


def _stock(mask: Mask, request: MaskRequest) -> Allowed:
    """A mask that the unchanged model has too, made as it makes it."""
    return _causal(request) if mask == causal() else _keys(request.keys)


def _allowed(mask: Mask, request: MaskRequest, layouts: Layouts) -> Allowed:
    if request.past:
        _check_step(mask, request, layouts)
    if request.site == "cross":
        return Allowed.of(padded_mask(mask, layouts.queries, layouts.keys, num_heads=request.num_heads))
    return Allowed.of(padded_mask(mask, layouts.own, num_heads=request.num_heads, query_offset=request.past))


def _keys(keys: Tokens) -> Allowed:
    """All tokens as keys, also of queries that are padding, as the unchanged model does it."""
    if keys.valid is None or (not torch.compiler.is_compiling() and bool(keys.valid.all())):
        return EVERYTHING
    return Allowed.of(keys.valid[:, None, None, :])


def _causal(request: MaskRequest) -> Allowed:
    """The unchanged decoder's mask, by columns."""
    allowed = _keys(request.keys)
    if request.query_length == 1:
        return allowed
    if allowed is EVERYTHING and not request.past:
        return Allowed.triangle(request.query_length, request.keys.device)
    square = torch.ones(request.query_length, request.keys.padded_length, dtype=torch.bool, device=request.keys.device)
    triangle = square.tril(request.past)[None, None]
    return Allowed.of(triangle if request.keys.valid is None else triangle & request.keys.valid[:, None, None, :])


def _check_step(mask: Mask, request: MaskRequest, layouts: Layouts) -> None:
    """Refuse a step of generation in which the mask is not the one that the model was trained with.

    Raises:
        PretrainedError: See above.
    """
    check_generation(mask, request.site, cached=True)
    if request.site == "decoder" and not never_ahead(mask) and bool(_ahead(mask, request, layouts.own).any()):
        raise PretrainedError(
            f"the decoder's mask {mask} lets tokens in the cache attend to later ones, which were not there "
            "when they were computed; generate with use_cache=False, or give the prefix as decoder_input_ids"
        )


def check_generation(mask: Mask, site: str, cached: bool) -> None:
    """Refuse to generate under a mask that has another meaning while a text grows.

    Args:
        mask: The mask.
        site: "decoder" or "cross".
        cached: Whether earlier tokens come from a cache.

    Raises:
        PretrainedError: See above.
    """
    if mask.needs.length:
        raise PretrainedError(
            f"the mask {mask} of site {site!r} depends on the length of the text, which is not known while it is "
            "generated; leave out random_keys, positions from the end, and custom predicates that read the length"
        )
    if cached and site == "decoder" and mask.needs.columns:
        raise PretrainedError(
            f"the mask {mask} of the decoder reads token columns, of which the cache has none; generate with "
            "use_cache=False"
        )


def never_ahead(mask: Mask) -> bool:
    """Whether the mask surely never allows a key after the query."""
    if isinstance(mask, And):
        return any(map(never_ahead, mask.members))
    if isinstance(mask, Or):
        return all(map(never_ahead, mask.members))
    if isinstance(mask, PerHead):
        return all(map(never_ahead, mask.masks))
    return isinstance(mask, Causal)


def _ahead(mask: Mask, request: MaskRequest, own: Padded) -> Tensor:
    """What tokens in the cache may see of the new tokens, bool [batch, heads, cached, new]."""
    return padded_mask(mask, own, num_heads=request.num_heads, query_length=request.past)[..., request.past :]


def _how_to_give(request: MaskRequest) -> str:
    given = "decoder_mask_features" if request.site == "decoder" else "mask_features"
    return (
        f"columns and values are given as model(..., {given}={{name: tensor}}), special tokens as "
        "apply_masks(..., special_tokens={name: id}), segments as token_type_ids"
    )
