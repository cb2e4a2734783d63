"""Outputs and gradients of every kernel of finetune.attention against the float64 reference, on random masks."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from finetune.attention.kernels.decode import decode_attention
from finetune.attention.kernels.flex import flex_stream_attention
from finetune.attention.kernels.fused import Allowed, fused_attention
from finetune.attention.kernels.scores import with_scores
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import PaddingSide, Ragged, pad, padded_mask, padded_scores, ragged_mask, unpad
from finetune.attention.planning import plan
from finetune.attention.planning.flex import flex_blocks
from finetune.attention.planning.planner import select
from scripts.gpu_checks.programs import Case, cases
from scripts.gpu_checks.reference import (
    TOLERANCES,
    Attend,
    Inputs,
    added_scores,
    allowed_pairs,
    dense,
    distances,
    largest_error,
    outcome,
)
from scripts.gpu_checks.results import Comparison, LeftOut, Results, attempt
from scripts.gpu_checks.setting import Setting, why_not_compiled


def check_kernels(setting: Setting) -> Results:
    """Compare every kernel but FlexAttention with the reference, for as many cases as time allows."""
    torch.set_float32_matmul_precision("highest")
    for case in cases(*amount(setting)):
        yield attempt(f"mask, {case}", partial(compare_masks, case, setting.device))
        for dtype in TOLERANCES:
            inputs = Inputs.of(case, setting.device, dtype)
            expected = outcome(dense(case, setting.device), inputs)
            for name in MAKERS:
                yield attempt(f"{name}, {case}", partial(compare, name, case, inputs, expected))
            yield attempt(f"decode, {case}", partial(compare_decode, case, inputs, expected))


def check_flex(setting: Setting) -> Results:
    """Compare FlexAttention with the reference: compiled with gradients on a GPU, else the forward pass alone."""
    reason = why_not_compiled(setting) if setting.on_gpu else None
    if reason is not None:
        yield LeftOut("flex", reason)
        return
    torch.set_float32_matmul_precision("highest")
    for case in cases(*amount(setting)):
        for dtype in TOLERANCES:
            inputs = Inputs.of(case, setting.device, dtype)
            expected = outcome(dense(case, setting.device), inputs)
            torch.compiler.reset()  # each mask is other code: without this, torch gives up compiling after a few
            yield attempt(f"flex, {case}", partial(compare, "flex", case, inputs, expected, backward=setting.on_gpu))


def amount(setting: Setting) -> tuple[int, int]:
    """Return the largest number of cases, and of tokens of an example."""
    return (8, 12) if setting.tiny else (24, 200) if setting.quick else (300, 700)


def compare(name: str, case: Case, inputs: Inputs, expected: Sequence[Tensor], *, backward: bool = True) -> Comparison:
    """Compare a kernel with the reference.

    Args:
        name: Name of the kernel, one of `MAKERS` or "flex".
        case: The case.
        inputs: The inputs of the case.
        expected: Output and gradients of the reference.
        backward: Whether gradients are compared.
    """
    device, dtype = inputs.query.device.type, inputs.query.dtype
    attend = flex(case, device) if name == "flex" else MAKERS[name](case, device)
    error = largest_error(outcome(attend, inputs, backward=backward), expected)
    return Comparison(f"{name}, {_named(dtype)}, {case}", error, TOLERANCES[dtype])


def compare_decode(case: Case, inputs: Inputs, expected: Sequence[Tensor]) -> Comparison:
    """Compare `decode_attention` of the last query of each example with the reference."""
    error = largest_error([decoded(case, inputs)], last_queries(case, expected[0]))
    return Comparison(f"decode, {_named(inputs.query.dtype)}, {case}", error, TOLERANCES[inputs.query.dtype])


def compare_masks(case: Case, device: str) -> Comparison:
    """Compare a mask evaluated for a stream on the device with that of each example on the CPU; no pair may differ."""
    queries, keys = streams(case, device)
    found = ragged_mask(case.mask.boolean, queries, keys, num_heads=case.num_heads).cpu()
    each = [torch.broadcast_to(one, (case.num_heads, *one.shape[1:])) for one in allowed_pairs(case)]
    block_diag: Any = torch.block_diag
    expected = torch.stack([block_diag(*(one[head].long() for one in each)) for head in range(case.num_heads)])
    return Comparison(f"mask, {case}", float((found != expected.bool()).sum()), 0.0)


def streams(case: Case, device: str) -> tuple[Ragged, Ragged]:
    """Return the layouts of queries and keys as streams; the same object twice in self-attention."""
    queries = case.queries.stream(device)
    return queries, case.keys.stream(device) if case.is_cross else queries


def tiled(case: Case, device: str, kernel: str | None) -> Attend:
    """Return `tiled_attention` under a plan of the case.

    Args:
        case: The case.
        device: The device.
        kernel: The strategy, "whole", "blocks" or "flex"; None leaves it to the cost.
    """
    queries, keys = streams(case, device)
    attention_plan = plan(
        case.mask,
        queries,
        keys,
        case.num_heads,
        head_dim=case.head_dim,
        has_relative_bias=case.has_bias,
        kernel=kernel,
    )
    return lambda query, key, value, table: tiled_attention(query, key, value, attention_plan, bias_table=table)


def flex(case: Case, device: str) -> Attend:
    """Return FlexAttention over a plan of the case; on a CPU, which the planner refuses, without compilation."""
    if device == "cuda":
        return tiled(case, device, "flex")
    queries, keys = streams(case, device)
    blocks = flex_blocks(case.mask, select(case.mask, queries, keys, case.num_heads), queries, keys)

    def attend(query: Tensor, key: Tensor, value: Tensor, table: Tensor | None) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
            return flex_stream_attention(
                query, key, value, blocks, bias_table=table, scale=case.head_dim**-0.5, compiled=False
            )

    return attend


def fused(case: Case, device: str) -> Attend:
    """Return `fused_attention` over the same examples as padded rows, alternately padded on the left and the right."""
    side: PaddingSide = "left" if case.number % 2 else "right"
    queries, keys = streams(case, device)
    query_rows = queries.to_padded(side)
    key_rows = keys.to_padded(side) if case.is_cross else query_rows
    allowed = Allowed.of(padded_mask(case.mask.boolean, query_rows, key_rows, num_heads=case.num_heads))
    scores = padded_scores(case.mask, query_rows, key_rows, num_heads=case.num_heads)

    def attend(query: Tensor, key: Tensor, value: Tensor, table: Tensor | None) -> Tensor:
        length = query_rows.padded_length, key_rows.padded_length
        bias = None if table is None else table[:, distances(*length, table)][None]
        rows = [
            pad(each, layout).transpose(1, 2)  # [examples, heads, padded_length, head_dim]
            for each, layout in ((query, query_rows), (key, key_rows), (value, key_rows))
        ]
        output = fused_attention(rows[0], rows[1], rows[2], allowed, bias=with_scores(bias, scores, query.dtype))
        return unpad(output.transpose(1, 2), query_rows)

    return attend


def decoded(case: Case, inputs: Inputs) -> Tensor:
    """Return the output of `decode_attention` for the last query of each example, [examples, heads, head_dim]."""
    outputs = []
    device = str(inputs.query.device)
    pairs = allowed_pairs(case)
    rows = zip(
        torch.split(inputs.query, list(case.queries.lengths)),
        torch.split(inputs.key, list(case.keys.lengths)),
        torch.split(inputs.value, list(case.keys.lengths)),
        strict=True,
    )
    for number, (query, key, value) in enumerate(rows):
        bias = _bias_of_last(case, number, inputs.table, device)
        output = decode_attention(
            torch.stack([query[-1], query[-1]])[:, :, None],  # two rows with the same keys: [2, heads, 1, head_dim]
            key.transpose(0, 1)[None],
            value.transpose(0, 1)[None],
            Allowed.of(pairs[number][None, :, -1:].to(device)),
            bias=bias,
        )
        outputs.append(output[-1, :, 0])
    return torch.stack(outputs)


def _bias_of_last(case: Case, number: int, table: Tensor | None, device: str) -> Tensor | None:
    """Return what is added to the scores of the last query of an example, [1, heads, 1, keys]; None for nothing."""
    scores = added_scores(case)
    total = None if scores is None else scores[number][None, :, -1:].to(device)
    if table is not None:
        length = case.queries.lengths[number]
        relative = table[:, distances(length, length, table)][None, :, -1:]
        total = relative if total is None else total + relative
    return total


def last_queries(case: Case, output: Tensor) -> list[Tensor]:
    """Return the rows of the last query of each example of an output [queries, heads, head_dim]."""
    ends = torch.tensor(case.queries.lengths).cumsum(0) - 1
    return [output[ends.to(output.device)]]


def _named(dtype: torch.dtype) -> str:
    return "bf16" if dtype == torch.bfloat16 else "fp32"


MAKERS: dict[str, Callable[[Case, str], Attend]] = {
    "dense": lambda case, device: dense(case, device, torch.float32),
    "tiled, chosen by cost": lambda case, device: tiled(case, device, None),
    "tiled, whole examples": lambda case, device: tiled(case, device, "whole"),
    "tiled, blocks": lambda case, device: tiled(case, device, "blocks"),
    "fused": fused,
}
"""Every kernel but that of FlexAttention, which is compiled and has a part of its own."""
