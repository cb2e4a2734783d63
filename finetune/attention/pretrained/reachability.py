"""The pairs that a pretrained model's layers allow in the examples of a batch, and what the model's head reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import nn
from transformers import PreTrainedModel

from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask
from finetune.attention.planning.explain import scope_of_one
from finetune.attention.pretrained.families import AttentionStack, find_stacks
from finetune.attention.pretrained.interface import ASSIGNMENT, MaskAssignment
from finetune.attention.pretrained.streams import finds_ends, read_token
from finetune.attention.pretrained.tokens import MaskRequest
from finetune.attention.program import SiteName
from finetune.attention.reachability import SitePairs, allowed_in_any_head


class _Recorded(Exception):
    """Ends a forward pass once the requests of all stacks are recorded."""


def layer_pairs(model: nn.Module, compute: Callable[[], object]) -> tuple[SitePairs, ...]:
    """Return the pairs of query and key that each layer allows in each example of a batch.

    Args:
        model: A model to which masks were applied.
        compute: A function that calls the model on the batch, padded rows or a ragged stream. The call is ended by an
            exception when the last stack is called, so that an encoder alone is not computed at all.

    Returns:
        One entry for each example, in the order of the batch.

    Raises:
        PretrainedError: The model cannot take masks.
        MaskError: A mask reads a column or a value that is not given.
    """
    stacks = find_stacks(model)  # type: ignore[arg-type]
    requests = _requests(stacks, compute)
    by_site: dict[SiteName, list[tuple[Any, ...]]] = {}
    for stack in stacks:
        if stack.site in requests:
            by_site[stack.site] = _pairs(requests[stack.site], stack.num_layers, stack.self_attention)
        if stack.cross_attention and "cross" in requests:
            by_site["cross"] = _pairs(requests["cross"], stack.num_layers, stack.cross_attention)
    count = max(map(len, by_site.values()), default=0)
    return tuple(SitePairs(**{site: examples[number] for site, examples in by_site.items()}) for number in range(count))


def head_reads(model: nn.Module) -> tuple[SiteName, Literal["first", "last", "all"]]:
    """Return what the head of a text classifier reads.

    Args:
        model: A text classifier; it may be wrapped.

    Returns:
        The site whose output the head reads, and which tokens of each example: the first, the last, or all of them,
        which are averaged.
    """
    inner = next(module for module in model.modules() if isinstance(module, PreTrainedModel))
    if finds_ends(inner):
        return "decoder", "last"
    (stack,) = find_stacks(inner)
    pooling = getattr(stack.module.config, "classifier_pooling", "cls")
    return "encoder", "first" if read_token(inner, stack.module) == "first" and pooling == "cls" else "all"


def _requests(stacks: Sequence[AttentionStack], compute: Callable[[], object]) -> dict[SiteName, MaskRequest]:
    """Return the request of each site in a forward pass, which is ended after the last request."""
    requests: dict[SiteName, MaskRequest] = {}
    waiting = {id(stack.module) for stack in stacks}

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for name in ("attention_mask", "encoder_attention_mask"):
            request = kwargs.get(name)
            if isinstance(request, MaskRequest):
                requests[request.site] = request
        waiting.discard(id(module))
        # The pre-hooks of `apply_masks` were registered before, so that the request of this call is recorded.
        if not waiting:
            raise _Recorded

    handles = [stack.module.register_forward_pre_hook(record, with_kwargs=True) for stack in stacks]
    try:
        compute()
    except _Recorded:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return requests


def _pairs(request: MaskRequest, num_layers: int, attentions: Sequence[nn.Module]) -> list[tuple[Any, ...]]:
    """Return for each example the allowed pairs of each layer, bool [queries, keys]; layers with one mask share one."""
    # In one stream, the positions of an example are consecutive, for padded rows as well.
    queries = _ragged(request, "queries")
    keys = queries if request.keys is request.queries else _ragged(request, "keys")
    numbers = [_assignment(attentions[layer]).number for layer in range(num_layers)]
    examples = []
    for example, (num_queries, num_keys) in enumerate(zip(queries.sizes, keys.sizes, strict=True)):
        scope = scope_of_one(queries, keys, example, request.num_heads)
        by_mask: dict[int, Any] = {
            number: allowed_in_any_head(mask, scope, num_queries, num_keys) for number, mask in _used(request, numbers)
        }
        examples.append(tuple(by_mask[number] for number in numbers))
    return examples


def _used(request: MaskRequest, numbers: Sequence[int]) -> list[tuple[int, Mask]]:
    """Return the masks of a request with the given indices, each once, with its index."""
    return [(number, request.masks[number]) for number in sorted(set(numbers))]


def _assignment(attention: nn.Module) -> MaskAssignment:
    assignment = getattr(attention, ASSIGNMENT)
    assert isinstance(assignment, MaskAssignment)
    return assignment


def _ragged(request: MaskRequest, side: Literal["queries", "keys"]) -> Ragged:
    """Return the layout of one side of a request as a ragged stream."""
    tokens = request.queries if side == "queries" else request.keys
    return tokens.layout().to_ragged() if tokens.stream is None else tokens.ragged
