"""Attention over tiles against the reference, under plans of all kinds."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from finetune.attention.kernels import plan as plans
from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.dropout import factors, survivors
from finetune.attention.kernels.plan import AttentionPlan
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import Mask, parse
from finetune.attention.planning import plan

HEADS, HEAD_DIM = 4, 8
KERNELS = ("whole", "blocks")
LENGTHS = [5, 1, 0, 12, 70, 5]
MASKS = ["full()", "causal()", "window(2) | global_tokens(0)", "per_head(none(), window(1))", "none()"]
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]

by_mask = pytest.mark.parametrize("text", MASKS)
by_kernel = pytest.mark.parametrize("kernel", KERNELS)


def inputs(layout: Ragged, dtype: torch.dtype = torch.float64, seed: int = 0) -> Inputs:
    """Return query, key, value and output gradient."""
    generator = torch.Generator().manual_seed(seed)
    query, key, value, gradient = (
        torch.randn(layout.total, HEADS, HEAD_DIM, generator=generator, dtype=torch.float64).to(dtype) for _ in range(4)
    )
    return query, key, value, gradient


def outcome(attend: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, gradient: Tensor) -> list[Tensor]:
    """Return the output, and the gradients of query, key and value."""
    leaves = [tensor.clone().requires_grad_() for tensor in (query, key, value)]
    output = attend(*leaves)
    return [output.detach(), *torch.autograd.grad(output, leaves, gradient)]


def dense(mask: Mask, layout: Ragged, factors: Tensor | None = None) -> Callable[..., Tensor]:
    """Compute the reference over streams [tokens, heads, head_dim], with dropout factors [heads, tokens, tokens]."""
    allowed = ragged_mask(mask, layout, num_heads=HEADS)

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
        _, weights = dense_attention(query, key, value, allowed)
        if factors is not None:
            weights = weights * factors
        return (weights @ value)[0].transpose(0, 1)

    return attend


def tiled(attention_plan: AttentionPlan, dropout: float = 0.0) -> Callable[..., Tensor]:
    return lambda query, key, value: tiled_attention(query, key, value, attention_plan, dropout=dropout)


@by_kernel
@by_mask
@pytest.mark.parametrize("chunk_weights", [30, 1000, plans.CHUNK_WEIGHTS])
def test_however_small_the_chunks_it_is_the_reference(
    text: str, kernel: str, chunk_weights: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", chunk_weights)
    layout, mask = Ragged.from_lengths(LENGTHS), parse(text)
    attention_plan = plan(mask, layout, layout, HEADS, kernel=kernel)
    tensors = inputs(layout)
    torch.testing.assert_close(outcome(tiled(attention_plan), *tensors), outcome(dense(mask, layout), *tensors))


@by_mask
def test_weights_computed_again_are_those_that_were_kept(text: str) -> None:
    layout = Ragged.from_lengths(LENGTHS)
    attention_plan = plan(parse(text), layout, layout, HEADS, kernel="whole")
    tensors = inputs(layout)
    narrow = [tensor[..., :1].contiguous() for tensor in tensors]  # of little memory: the weights take more
    wide = [torch.nn.functional.pad(tensor, (0, 199)) for tensor in narrow]
    assert narrow[0].numel() < attention_plan.num_weights < wide[0].numel()

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return tiled_attention(query, key, value, attention_plan, scale=1.0, dropout=0.5)

    torch.manual_seed(0)
    kept = outcome(attend, *wide)
    torch.manual_seed(0)
    again = outcome(attend, *narrow)
    torch.testing.assert_close([tensor[..., :1] for tensor in kept], again)


@by_kernel
def test_a_query_that_may_attend_to_nothing_yields_zeros_and_no_gradient(kernel: str) -> None:
    layout = Ragged.from_lengths([3, 6])
    attention_plan = plan(parse("~window(2)"), layout, layout, HEADS, kernel=kernel)
    output, *gradients = outcome(tiled(attention_plan), *inputs(layout))
    empty = ~ragged_mask(parse("~window(2)"), layout)[0].any(-1)
    assert empty.any()
    assert not empty.all()
    assert output[empty].eq(0).all()
    assert gradients[0][empty].eq(0).all()
    assert output[~empty].ne(0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@by_kernel
def test_a_bias_table_gets_the_gradient_of_the_bias_of_all_pairs(kernel: str) -> None:
    layout, mask = Ragged.from_lengths(LENGTHS), parse("window(40) | global_tokens(0)")
    query, key, value, gradient = inputs(layout)
    longest = max(LENGTHS)
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(HEADS, 2 * longest - 1, generator=generator, dtype=torch.float64, requires_grad=True)
    index = (layout.positions - layout.positions[:, None] + longest - 1).clamp(0, 2 * longest - 2)
    attention_plan = plan(mask, layout, layout, HEADS, has_relative_bias=True, kernel=kernel)
    found = tiled_attention(query, key, value, attention_plan, bias_table=table, scale=1.0)
    rows = [tensor.transpose(0, 1)[None] for tensor in (query, key, value)]
    allowed = ragged_mask(mask, layout)
    expected, _ = dense_attention(rows[0], rows[1], rows[2], allowed, bias=table[:, index], scale=1.0)
    expected = expected[0].transpose(0, 1)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, table, gradient), torch.autograd.grad(expected, table, gradient)
    )


@by_kernel
@by_mask
def test_dropout_is_the_same_in_both_passes(text: str, kernel: str) -> None:
    layout, mask = Ragged.from_lengths(LENGTHS), parse(text)
    attention_plan = plan(mask, layout, layout, HEADS, kernel=kernel)
    tensors = inputs(layout)
    torch.manual_seed(7)
    found = outcome(tiled(attention_plan, dropout=0.3), *tensors)
    torch.manual_seed(7)
    seed = int(torch.randint(2**62, ()))
    torch.testing.assert_close(found, outcome(dense(mask, layout, spread(attention_plan, 0.3, seed)), *tensors))


def spread(attention_plan: AttentionPlan, dropout: float, seed: int) -> Tensor:
    """Return the dropout factors of a plan's weights at their places in the whole matrix, [heads, queries, keys]."""
    num_tokens = attention_plan.keys.num_rows // HEADS
    found = torch.zeros(attention_plan.queries.num_rows, num_tokens, dtype=torch.float64)
    is_query = torch.ones(len(attention_plan.queries.rows), dtype=torch.bool)
    is_query[attention_plan.queries.padding] = False
    query_stop = key_stop = 0
    for group in attention_plan.groups:
        kept = survivors(group.num_weights, dropout, device=found.device, seed=seed + group.number)
        own = factors(kept, dropout, torch.float64)
        weight_stop = 0
        for batch, queries, keys in group.weight_shapes:
            query_slots = slice(query_stop, query_stop + batch * queries)
            key_slots = slice(key_stop, key_stop + batch * keys)
            piece = own[weight_stop : weight_stop + batch * queries * keys].view(batch, queries, keys)
            weight_stop, query_stop, key_stop = weight_stop + piece.numel(), query_slots.stop, key_slots.stop
            rows = attention_plan.queries.rows[query_slots].view(batch, queries)
            columns = attention_plan.keys.rows[key_slots].view(batch, keys) // HEADS
            for one, row, column, real in zip(piece, rows, columns, is_query[query_slots].view(batch, -1), strict=True):
                # Padding of keys reads token 0 and comes last: from the back, the real entry is written last.
                order = torch.arange(keys - 1, -1, -1)
                for query in real.nonzero().flatten():
                    for key in order.tolist():
                        found[row[query], column[key]] = one[query, key]
    return found.view(-1, HEADS, num_tokens).transpose(0, 1)


def test_dropout_keeps_the_expectation_and_is_reproduced_by_the_seed() -> None:
    layout = Ragged.from_lengths([6, 3])
    attention_plan = plan(parse("full()"), layout, layout, HEADS)
    query, key, value, _ = inputs(layout)
    draws = 2000
    torch.manual_seed(0)
    drawn = torch.stack([tiled_attention(query, key, value, attention_plan, dropout=0.2) for _ in range(draws)])
    torch.manual_seed(0)
    again = torch.stack([tiled_attention(query, key, value, attention_plan, dropout=0.2) for _ in range(3)])
    torch.testing.assert_close(again, drawn[:3], rtol=0, atol=0)
    assert not torch.equal(drawn[0], drawn[1])
    expected = tiled_attention(query, key, value, attention_plan)
    # Means of so many draws lie within five standard errors.
    assert ((drawn.mean(0) - expected).abs() <= 5 * drawn.std(0) / draws**0.5).all()


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradient_checkpointing_gives_the_same_gradients(dropout: float) -> None:
    layout = Ragged.from_lengths(LENGTHS)
    attend = tiled(plan(parse("window(3)"), layout, layout, HEADS), dropout)

    def checkpointed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output: Tensor = checkpoint(attend, query, key, value, use_reentrant=False)
        return output

    outcomes = []
    for way in (attend, checkpointed):
        torch.manual_seed(3)
        outcomes.append(outcome(way, *inputs(layout)))
    torch.testing.assert_close(*outcomes, rtol=0, atol=0)


@by_kernel
def test_bfloat16_is_no_worse_than_sdpa(kernel: str) -> None:
    layout = Ragged.from_lengths([40, 90])
    mask = parse("window(30)")
    attention_plan = plan(mask, layout, layout, HEADS, kernel=kernel)
    allowed = ragged_mask(mask, layout)[None]

    def sdpa(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, allowed)[0].transpose(0, 1)

    ours, theirs = torch.zeros(4), torch.zeros(4)
    for seed in range(3):
        tensors = inputs(layout, torch.bfloat16, seed)
        exact = outcome(dense(mask, layout), *(tensor.double() for tensor in tensors))
        found = outcome(tiled(attention_plan), *tensors)
        assert all(tensor.dtype == torch.bfloat16 for tensor in found)
        ours += errors(found, exact)
        theirs += errors(outcome(sdpa, *tensors), exact)
    assert (ours <= 1.02 * theirs).all(), f"errors {ours}, of sdpa {theirs}"


def errors(found: list[Tensor], exact: list[Tensor]) -> Tensor:
    """Return the root mean square errors of output and gradients."""
    pairs = zip(found, exact, strict=True)
    return torch.stack([(one.double() - other).square().mean().sqrt().float() for one, other in pairs])


def test_autocast_does_not_change_what_is_computed() -> None:
    layout = Ragged.from_lengths([9, 4])
    attend = tiled(plan(parse("causal()"), layout, layout, HEADS))
    tensors = inputs(layout, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = outcome(attend, *tensors)
    torch.testing.assert_close(inside, outcome(attend, *tensors), rtol=0, atol=0)


def test_two_runs_give_the_same_bits() -> None:
    layout = Ragged.from_lengths([300, 200])
    attend = tiled(plan(parse("window(20) | global_tokens(0)"), layout, layout, HEADS))
    tensors = inputs(layout, torch.float32)
    torch.testing.assert_close(outcome(attend, *tensors), outcome(attend, *tensors), rtol=0, atol=0)


def test_evaluation_keeps_nothing_and_inputs_need_not_be_contiguous() -> None:
    layout = Ragged.from_lengths([9, 4])
    attention_plan = plan(parse("causal()"), layout, layout, HEADS)
    query, key, value, _ = inputs(layout)
    turned = [tensor.transpose(0, 1).contiguous().transpose(0, 1) for tensor in (query, key, value)]
    with torch.no_grad():
        output = tiled_attention(turned[0], turned[1], turned[2], attention_plan)
    assert not output.requires_grad
    torch.testing.assert_close(output, tiled_attention(query, key, value, attention_plan))


def test_flex_attention_is_imported_only_where_it_is_used() -> None:
    program = "import sys, finetune.attention.planning; sys.exit('torch.nn.attention.flex_attention' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
