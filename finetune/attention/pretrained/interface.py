"""The two functions that transformers calls in place of its own: `make_masks` and `masked_attention`.

Both are registered under one name, with `AttentionMaskInterface` and `AttentionInterface`. They raise `PretrainedError`
for every argument that is not as expected, because a mask must never be lost silently.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import bidirectional_mask_function, causal_mask_function

from finetune.attention.kernels.decode import decode_attention
from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.fused import fused_attention
from finetune.attention.kernels.scores import with_scores
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.pretrained.cls_only import cls_only_attention, computes_cls_only
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.evaluate import SiteMasks, evaluate_masks
from finetune.attention.pretrained.streams import bias_table
from finetune.attention.pretrained.tokens import MaskRequest
from finetune.attention.program import SiteName

NAME = "finetune_masks"
"""The name of the attention implementation."""

ASSIGNMENT = "_finetune_mask_assignment"
"""The attribute of an attention module that holds its `MaskAssignment`."""

HARMLESS = frozenset(
    {
        "deterministic",  # for flash attention alone
        "encoder_hidden_states",
        "num_items_in_batch",
        "output_attentions",
        "output_hidden_states",
        "position_ids",
        "return_dict",
        "sliding_window",  # `AttentionStack.own_masks` puts it into the masks of the layers that have it
        "use_cache",
    }
)
"""Keyword arguments of the attention function that have no influence on what is computed here."""


@dataclass(frozen=True)
class MaskAssignment:
    """The mask that an attention module obeys.

    Args:
        site: The site of the module.
        layer: The layer of the module, from 0; the first one if several layers share it.
        number: The index of its mask in `MaskRequest.masks`, the different masks of the site.
        cls_only: Whether only the output for each example's first token is read (module `cls_only`).
    """

    site: SiteName
    layer: int
    number: int
    cls_only: bool = False


def make_masks(
    *,
    batch_size: int,
    q_length: int,
    kv_length: int,
    mask_function: object,
    attention_mask: object = None,
    q_offset: object = 0,
    kv_offset: object = 0,
    local_size: int | None = None,
    **options: object,
) -> SiteMasks:
    """Evaluate the masks of a site; transformers calls this mask function once in each forward of a stack.

    Args:
        batch_size: Number of rows.
        q_length: Number of queries of a row, without those in the cache.
        kv_length: Number of keys of a row.
        mask_function: The pattern of the stock mask, which must be the bidirectional or the causal one.
        attention_mask: The `MaskRequest` that `StackHook` has put in place of the attention mask.
        q_offset: Position of the first query.
        kv_offset: Position of the first key.
        local_size: The window of a layer with local attention, which the masks of the program contain.
        options: Other keyword arguments of transformers' mask functions, which are not used.

    Returns:
        The evaluated masks, which transformers passes on to every layer.

    Raises:
        PretrainedError: An argument is not the one that the hooks pass, or a mask lacks a column, or it means something
            else in generation than in training.
        LayoutError: A row has padding between its tokens.
        MaskError: A mask cannot be evaluated.
    """
    if not isinstance(attention_mask, MaskRequest):
        raise PretrainedError(
            f"the mask function was called with {_kind(attention_mask)} in place of the request that apply_masks puts "
            "in: the model was not given masks by apply_masks (does it share its config object with one that was?), "
            "generation uses a static cache (cache_implementation), or this version of transformers passes masks in "
            "another way"
        )
    # Another function would be a pattern of the model's own. With `local_size`, it is a window that is known.
    plain = mask_function in (bidirectional_mask_function, causal_mask_function)
    if not plain and local_size is None:
        raise PretrainedError(
            "the model makes a mask of its own in addition to those of the program (packed examples by position_ids, "
            "or a pattern that is new in this version of transformers), which would be lost"
        )
    request = attention_mask
    # transformers derives these sizes from its own arguments: another size means that the request belongs to another
    # call, or that keys were added that the request does not know, as in a static cache.
    found = (batch_size, q_length, q_offset, kv_length, kv_offset)
    expected = (request.keys.batch, request.query_length, _expected_offset(request), request.keys.padded_length, 0)
    if found != expected:
        raise PretrainedError(
            f"the masks of site {request.site!r} were called for batch, queries, query offset, keys, key offset = "
            f"{found}, expected {expected}; static caches and prefix tuning cannot be combined with masks"
        )
    return evaluate_masks(request)


def _expected_offset(request: MaskRequest) -> int:
    """Return the position of the first query, which transformers counts from 0 in each step of cross-attention."""
    return 0 if request.site == "cross" else request.past


def masked_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: object,
    scaling: float | None = None,
    dropout: float = 0.0,
    position_bias: Tensor | None = None,
    **options: object,
) -> tuple[Tensor, Tensor | None]:
    """Compute attention under the mask that is assigned to the module; transformers calls this attention function.

    Args:
        module: The attention module.
        query: The queries, [batch, heads, queries, head_dim]; a ragged stream is one row, with batch 1.
        key: The keys, [batch, heads, keys, head_dim]. In a step of generation, consecutive rows may share the keys of
            their source, which are then [examples, heads, keys, head_dim].
        value: The values, with the shape of `key`.
        attention_mask: The result of `make_masks`.
        scaling: The factor of the scores; head_dim ** -0.5 if not given.
        dropout: The probability with which a weight is dropped.
        position_bias: A tensor that is added to the scaled scores, broadcastable to [batch, heads, queries, keys]; for
            a ragged stream a table of distances, see `RelativeBiasHook`.
        options: Other keyword arguments from transformers. They must be None or have no influence (`HARMLESS`).

    Returns:
        The output [batch, queries, heads, head_dim]; and the weights [batch, heads, queries, keys] if
        `output_attentions` is set, otherwise None.

    Raises:
        PretrainedError: An argument is not as expected, or attention weights are to be returned for a stream.
        MaskError: A mask cannot be evaluated.
    """
    assignment = getattr(module, ASSIGNMENT, None)
    if not isinstance(assignment, MaskAssignment):
        raise PretrainedError(
            f"{type(module).__name__} was given no mask by apply_masks; apply it (again) after the model is complete"
        )
    if not isinstance(attention_mask, SiteMasks):
        raise PretrainedError(
            f"the attention of layer {assignment.layer} at site {assignment.site!r} was given {_kind(attention_mask)} "
            "in place of its mask; this version of transformers makes masks in another way"
        )
    _check_sizes(assignment, attention_mask.request, query, key)
    if lost := sorted(name for name, option in options.items() if option is not None and name not in HARMLESS):
        raise PretrainedError(
            f"the attention function was given {', '.join(lost)}, which attention under masks does not support and "
            "would ignore"
        )
    if attention_mask.request.queries.stream is not None:
        return _in_stream(module, query, key, value, attention_mask, scaling, dropout, position_bias, options), None
    allowed = attention_mask.allowed[assignment.number]
    bias = with_scores(position_bias, attention_mask.scores[assignment.number], query.dtype)
    weights = None
    if _returns_weights(module, options):
        output, weights = dense_attention(query, key, value, allowed.exact, bias=bias, scale=scaling, dropout=dropout)
    elif attention_mask.request.is_step:
        output = decode_attention(query, key, value, allowed, bias=bias, scale=scaling, dropout=dropout)
    else:
        output = fused_attention(query, key, value, allowed, bias=bias, scale=scaling, dropout=dropout)
    return output.transpose(1, 2).contiguous(), weights  # [batch, queries, heads, head_dim]


def _in_stream(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    masks: SiteMasks,
    scaling: float | None,
    dropout: float,
    position_bias: Tensor | None,
    options: dict[str, object],
) -> Tensor:
    """Compute attention in a ragged stream, [1, heads, tokens, head_dim], and return [1, tokens, heads, head_dim]."""
    if _returns_weights(module, options):
        raise PretrainedError(
            "attention weights (output_attentions) can be had of padded rows, not of a ragged stream; call the model "
            "with padded rows and an attention_mask"
        )
    assignment: MaskAssignment = getattr(module, ASSIGNMENT)
    # [1, heads, tokens, head_dim] -> [tokens, heads, head_dim]
    queries, keys, values = (tokens.squeeze(0).transpose(0, 1) for tokens in (query, key, value))
    table = bias_table(position_bias, masks.request)
    if assignment.cls_only and table is None and computes_cls_only(module, query, options):
        output = cls_only_attention(queries, keys, values, masks, assignment.number, scale=scaling, dropout=dropout)
    else:
        plan = masks.plans[assignment.number]
        output = tiled_attention(queries, keys, values, plan, bias_table=table, scale=scaling, dropout=dropout)
    return output[None]


def _returns_weights(module: nn.Module, options: dict[str, object]) -> bool:
    """Return whether a call of attention shall return its weights."""
    by_default = getattr(getattr(module, "config", None), "output_attentions", False)
    return bool(options.get("output_attentions", by_default))


def _check_sizes(assignment: MaskAssignment, request: MaskRequest, query: Tensor, key: Tensor) -> None:
    """Raise PretrainedError if queries and keys do not have the sizes for which the masks were evaluated."""
    found = (assignment.site, query.shape[0], query.shape[1], query.shape[2], key.shape[0], key.shape[1], key.shape[2])
    # Queries are [batch, heads, queries, head_dim]; keys are [sources, heads, keys, head_dim].
    batch, heads = request.keys.batch, request.num_heads
    sources = key.shape[0] if _shares_source(request, key) else batch
    expected = (request.site, batch, heads, request.query_length, sources, heads, request.keys.padded_length)
    if found != expected:
        raise PretrainedError(
            f"the attention of layer {assignment.layer} was given a mask for site, queries [batch, heads, length] and "
            f"keys = {expected}, but was called with {found}"
        )


def _shares_source(request: MaskRequest, key: Tensor) -> bool:
    """Return whether consecutive rows of one example, such as its beams, share the keys of their source."""
    return request.site == "cross" and request.is_step and key.shape[0] > 0 and request.keys.batch % key.shape[0] == 0


def _kind(found: object) -> str:
    """Return what an argument is, for messages."""
    if found is None:
        return "nothing"
    return f"a tensor of shape {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"


AttentionInterface.register(NAME, masked_attention)
AttentionMaskInterface.register(NAME, make_masks)
