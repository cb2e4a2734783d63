"""Attention in float64 as it is defined, example by example, and the error of what a kernel computes.

Masks of the reference are evaluated on the CPU by `Mask.dense`, which shares no code with layouts and plans.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.layout.scores import dense_scores
from scripts.gpu_checks.programs import Case

TOLERANCES = {torch.float32: 5e-5, torch.bfloat16: 3e-2}
"""The largest error by type, relative to the largest number of the reference. In bfloat16 a number is rounded by up to
0.4%, and gradients are differences of rounded numbers."""

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""A function of query, key and value, [tokens, heads, head_dim] each, and a bias table [heads, distances] or None."""


@dataclass(frozen=True)
class Inputs:
    """Random inputs of attention, on the device.

    Args:
        query: [queries, heads, head_dim].
        key: [keys, heads, head_dim].
        value: [keys, heads, head_dim].
        gradient: The gradient of the output, [queries, heads, head_dim].
        table: Relative bias, float32 [heads, 2 * longest - 1]; None without bias.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    gradient: Tensor
    table: Tensor | None

    @classmethod
    def of(cls, case: Case, device: str, dtype: torch.dtype) -> "Inputs":
        """Return the inputs of a case: the same numbers on every device, rounded to the type."""
        generator = torch.Generator().manual_seed(case.number)
        totals = [sum(side.lengths) for side in (case.queries, case.keys, case.keys, case.queries)]
        drawn = [torch.randn(total, case.num_heads, case.head_dim, generator=generator) for total in totals]
        query, key, value, gradient = (each.to(device, dtype) for each in drawn)
        distances = 2 * max(case.queries.lengths) - 1
        table = torch.randn(case.num_heads, distances, generator=generator).to(device) if case.has_bias else None
        return cls(query, key, value, gradient, table)


def outcome(attend: Attend, inputs: Inputs, *, backward: bool = True) -> list[Tensor]:
    """Return the output of a kernel, and the gradients of query, key, value and bias table.

    Args:
        attend: The kernel.
        inputs: Its inputs.
        backward: Whether to compute gradients.
    """
    tensors = [inputs.query, inputs.key, inputs.value, *([] if inputs.table is None else [inputs.table])]
    if not backward:
        with torch.no_grad():
            return [attend(inputs.query, inputs.key, inputs.value, inputs.table)]
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    output = attend(leaves[0], leaves[1], leaves[2], leaves[3] if len(leaves) > 3 else None)
    # A mask that allows nothing leaves some kernels without a path to an input: its gradient is 0 then.
    found = torch.autograd.grad(output, leaves, inputs.gradient.to(output.dtype), allow_unused=True)
    return [output.detach(), *(torch.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True))]


def dense(case: Case, device: str, dtype: torch.dtype = torch.float64) -> Attend:
    """Return the reference of a case: `dense_attention` of each example by itself.

    Args:
        case: The case.
        device: Where it is computed.
        dtype: Type of the computation.
    """
    allowed, scores = allowed_pairs(case), added_scores(case)

    def attend(query: Tensor, key: Tensor, value: Tensor, table: Tensor | None) -> Tensor:
        outputs = []
        sides = (query, case.queries), (key, case.keys), (value, case.keys)
        rows = [torch.split(each, list(side.lengths)) for each, side in sides]
        for number, example in enumerate(zip(*rows, strict=True)):
            q, k, v = (each.transpose(0, 1)[None].to(dtype) for each in example)  # [1, heads, tokens, head_dim]
            bias = None if scores is None else scores[number].to(device, dtype)
            if table is not None:
                relative = table.to(dtype)[:, distances(q.shape[2], k.shape[2], table)]
                bias = relative if bias is None else bias + relative
            output, _ = dense_attention(q, k, v, allowed[number].to(device), bias=bias)
            outputs.append(output[0].transpose(0, 1))  # [tokens, heads, head_dim]
        return torch.cat(outputs)

    return attend


def distances(queries: int, keys: int, table: Tensor) -> Tensor:
    """Return which entry of a bias table each pair reads, int64 [queries, keys]."""
    q = torch.arange(queries, device=table.device)[:, None]
    return torch.arange(keys, device=table.device) - q + table.shape[1] // 2


def allowed_pairs(case: Case) -> list[Tensor]:
    """Return the mask of each example, bool [heads, queries, keys], evaluated on the CPU."""
    keys = case.keys.features() if case.is_cross else [None] * len(case.keys.lengths)
    return [
        case.mask.boolean.dense(q, k if case.is_cross else None, case.num_heads, features, key_features)
        for q, k, features, key_features in zip(
            case.queries.lengths, case.keys.lengths, case.queries.features(), keys, strict=True
        )
    ]


def added_scores(case: Case) -> list[Tensor] | None:
    """Return the numbers that score terms add, float64 [heads, queries, keys] by example; None without terms."""
    if not case.mask.terms:
        return None
    keys = case.keys.features() if case.is_cross else [None] * len(case.keys.lengths)
    return [
        dense_scores(case.mask, q, k if case.is_cross else None, case.num_heads, features, key_features)
        for q, k, features, key_features in zip(
            case.queries.lengths, case.keys.lengths, case.queries.features(), keys, strict=True
        )
    ]


def largest_error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Return the largest difference of output and gradients, relative to the largest number of each.

    It is infinite where a row of the output that must be 0, because its query may attend to nothing, is not, and NaN
    where a number is.

    Args:
        found: Output and gradients of a kernel; gradients may be missing.
        expected: Those of the reference, float64.
    """
    errors = []
    for one, other in zip(found, expected, strict=False):
        scale = max(float(other.abs().max()) if other.numel() else 0.0, 1e-3)
        difference = (one.double() - other).abs()
        errors.append(float(difference.max()) / scale if difference.numel() else 0.0)
    empty = expected[0].eq(0).all(-1)
    if bool(found[0][empty].ne(0).any()):
        errors.append(float("inf"))
    return float("nan") if any(error != error for error in errors) else max(errors)
