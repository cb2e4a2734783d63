"""Records the requests for masks in a model's forward pass, so that plans can be explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from finetune.attention.pretrained.families import find_stacks
from finetune.attention.pretrained.interface import ASSIGNMENT, MaskAssignment
from finetune.attention.pretrained.tokens import MaskRequest


@contextmanager
def recorded_requests(model: PreTrainedModel) -> Iterator[list[MaskRequest]]:
    """Collect the requests for masks in the calls of a model while the context is open.

    Args:
        model: A model to which masks were applied. Masks that are applied within the context are not recorded.

    Yields:
        The list of requests, which grows with each call of a stack.

    Raises:
        PretrainedError: The model cannot take masks.
    """
    requests: list[MaskRequest] = []

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = (kwargs.get("attention_mask"), kwargs.get("encoder_attention_mask"))
        requests.extend(request for request in given if isinstance(request, MaskRequest))

    handles = [stack.module.register_forward_pre_hook(record, with_kwargs=True) for stack in find_stacks(model)]
    try:
        yield requests
    finally:
        for handle in handles:
            handle.remove()


def layers_of(model: PreTrainedModel, request: MaskRequest) -> dict[int, list[int]]:
    """Return the layers that obey each mask of a request, by the mask's index in `request.masks`."""
    layers: dict[int, list[int]] = {}
    for module in model.modules():
        assignment = getattr(module, ASSIGNMENT, None)
        if isinstance(assignment, MaskAssignment) and assignment.site == request.site:
            layers.setdefault(assignment.number, []).append(assignment.layer)
    return {number: sorted(layers[number]) for number in sorted(layers)}
