"""The two functions that transformers calls in place of its own: one makes masks, its twin attends under them.

Both are registered under one name, with `AttentionMaskInterface` and `AttentionInterface`. Whatever reaches them in
another shape than expected is refused: a mask must never be lost in silence.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import bidirectional_mask_function, causal_mask_function

from finetune.attention.kernels.decode import decode_attention
from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.fused import fused_attention
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.pretrained.cls_only import cls_only_attention, computes_cls_only
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.evaluate import SiteMasks, evaluate_masks
from finetune.attention.pretrained.streams import bias_table
from finetune.attention.pretrained.tokens import MaskRequest
from finetune.attention.program import SiteName

NAME = "finetune_masks"
"""The attention implementation's name."""

ASSIGNMENT = "_finetune_mask_assignment"
"""The attribute of an attention module that holds its `MaskAssignment`."""

HARMLESS = frozenset(
    {
        "deterministic",  # of flash attention alone
        "encoder_hidden_states",
        "num_items_in_batch",
        "output_attentions",
        "output_hidden_states",
        "position_ids",
        "return_dict",
        "sliding_window",  # is in the masks of the layers that have it
        "use_cache",
    }
)
"""Keyword arguments of the attention function that change nothing of what is computed here."""


@dataclass(frozen=True)
class MaskAssignment:
    """Which mask an attention module obeys.

    Args:
        site: Its site.
        layer: Its layer, from 0; the first of those that share it.
        number: Its mask, as an index into the site's different masks.
        cls_only: Whether only what it computes of each example's first token is read, see `cls_only`.
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
    """Transformers' mask function: evaluate the masks of a site, once a forward.

    Raises:
        PretrainedError: What is handed over is not what the hooks put in, or of other sizes.
        ValueError: As of `evaluate_masks`.
    """
    if not isinstance(attention_mask, MaskRequest):
        raise PretrainedError(
            f"masks are asked for with {_kind(attention_mask)} in place of what apply_masks put in: the model was not "
            "given masks by apply_masks (does it share its config object with one that was?), generation uses a static "
            "cache (cache_implementation), or this version of transformers passes masks in another way"
        )
    plain = mask_function in (bidirectional_mask_function, causal_mask_function)
    if not plain and local_size is None:
        raise PretrainedError(
            "the model asks for a mask of its own beside those of the program (packed examples by position_ids, or a "
            "pattern that is new in this version of transformers), which would be lost"
        )
    request = attention_mask
    found = (batch_size, q_length, q_offset, kv_length, kv_offset)
    expected = (request.keys.batch, request.query_length, _expected_offset(request), request.keys.padded_length, 0)
    if found != expected:
        raise PretrainedError(
            f"masks of site {request.site!r} are asked for with batch, queries, query offset, keys, key offset = "
            f"{found}, expected {expected}; static caches and prefix tuning cannot be combined with masks"
        )
    return evaluate_masks(request)


def _expected_offset(request: MaskRequest) -> int:
    """In attention to the encoder's output, transformers counts each step of generation from 0."""
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
    """Transformers' attention function: attend under the mask that is assigned to the module.

    Args:
        module: The attention module.
        query: [batch, heads, queries, head_dim].
        key: [batch, heads, keys, head_dim]; in a step of generation keys of the source may be shared by the
            rows that stand together, and be [examples, heads, keys, head_dim].
        value: As `key`.
        attention_mask: What `make_masks` gave.
        scaling: Factor of the scores; head_dim ** -0.5 if not given.
        dropout: Probability with which a weight is dropped.
        position_bias: Added to the scaled scores, broadcastable to [batch, heads, queries, keys].
        options: What else transformers passes on.

    Returns:
        The output [batch, queries, heads, head_dim], and the weights where they are asked for.

    Raises:
        PretrainedError: What is handed over is not what is expected.
    """
    assignment = getattr(module, ASSIGNMENT, None)
    if not isinstance(assignment, MaskAssignment):
        raise PretrainedError(
            f"{type(module).__name__} was given no mask by apply_masks; apply it (again) after the model is complete"
        )
    if not isinstance(attention_mask, SiteMasks):
        raise PretrainedError(
            f"the attention of layer {assignment.layer} at site {assignment.site!r} was handed {_kind(attention_mask)} "
            "in place of its mask; this version of transformers makes masks in another way"
        )
    _check_sizes(assignment, attention_mask.request, query, key)
    if lost := sorted(name for name, option in options.items() if option is not None and name not in HARMLESS):
        raise PretrainedError(f"attention was handed {', '.join(lost)}, which it does not know and would lose")
    if attention_mask.request.queries.stream is not None:
        return _in_stream(module, query, key, value, attention_mask, scaling, dropout, position_bias, options), None
    allowed = attention_mask.allowed[assignment.number]
    weights = None
    if _wants_weights(module, options):
        output, weights = dense_attention(
            query, key, value, allowed.exact, bias=position_bias, scale=scaling, dropout=dropout
        )
    elif attention_mask.request.is_step:
        output = decode_attention(query, key, value, allowed, bias=position_bias, scale=scaling, dropout=dropout)
    else:
        output = fused_attention(query, key, value, allowed, bias=position_bias, scale=scaling, dropout=dropout)
    return output.transpose(1, 2).contiguous(), weights


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
    """As `masked_attention`, in a ragged stream: its one row is [1, heads, tokens, head_dim]."""
    if _wants_weights(module, options):
        raise PretrainedError("attention weights can be had of padded rows, not of a ragged stream")
    assignment: MaskAssignment = getattr(module, ASSIGNMENT)
    queries, keys, values = (tokens.squeeze(0).transpose(0, 1) for tokens in (query, key, value))
    table = bias_table(position_bias, masks.request)
    if assignment.cls_only and table is None and computes_cls_only(module, query, options):
        output = cls_only_attention(queries, keys, values, masks, assignment.number, scale=scaling, dropout=dropout)
    else:
        plan = masks.plans[assignment.number]
        output = tiled_attention(queries, keys, values, plan, bias_table=table, scale=scaling, dropout=dropout)
    return output[None]


def _wants_weights(module: nn.Module, options: dict[str, object]) -> bool:
    by_default = getattr(getattr(module, "config", None), "output_attentions", False)
    return bool(options.get("output_attentions", by_default))


def _check_sizes(assignment: MaskAssignment, request: MaskRequest, query: Tensor, key: Tensor) -> None:
    found = (assignment.site, query.shape[0], query.shape[1], query.shape[2], key.shape[0], key.shape[1], key.shape[2])
    batch, heads = request.keys.batch, request.num_heads
    sources = key.shape[0] if _shares_source(request, key) else batch
    expected = (request.site, batch, heads, request.query_length, sources, heads, request.keys.padded_length)
    if found != expected:
        raise PretrainedError(
            f"the attention of layer {assignment.layer} was handed a mask for site, queries [batch, heads, length] and "
            f"keys = {expected}, but is asked to compute {found}"
        )


def _shares_source(request: MaskRequest, key: Tensor) -> bool:
    """Whether rows of the same example, such as its beams, ask the same keys."""
    return request.site == "cross" and request.is_step and key.shape[0] > 0 and request.keys.batch % key.shape[0] == 0


def _kind(handed: object) -> str:
    if handed is None:
        return "nothing"
    return f"a tensor of shape {list(handed.shape)}" if isinstance(handed, Tensor) else f"a {type(handed).__name__}"


AttentionInterface.register(NAME, masked_attention)
AttentionMaskInterface.register(NAME, make_masks)
