"""Attention over rectangles against the reference; plans serve to make schedules of all kinds."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from finetune.attention.kernels import schedule as schedules
from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.dropout import Dropout
from finetune.attention.kernels.rectangles import rectangle_attention
from finetune.attention.kernels.schedule import Part, Schedule, Stack
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import Mask, parse
from finetune.attention.planning import plan

HEADS, WIDTH = 4, 8
KERNELS = ("whole", "blocks")
LENGTHS = [5, 1, 0, 12, 70, 5]
MASKS = ["full()", "causal()", "window(2) | global_tokens(0)", "per_head(none(), window(1))", "none()"]
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]

by_mask = pytest.mark.parametrize("text", MASKS)
by_kernel = pytest.mark.parametrize("kernel", KERNELS)


def inputs(layout: Ragged, dtype: torch.dtype = torch.float64, seed: int = 0) -> Inputs:
    """Query, key, value and output gradient."""
    generator = torch.Generator().manual_seed(seed)
    query, key, value, gradient = (
        torch.randn(layout.total, HEADS, WIDTH, generator=generator, dtype=torch.float64).to(dtype) for _ in range(4)
    )
    return query, key, value, gradient


def outcome(attend: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, gradient: Tensor) -> list[Tensor]:
    """The output, and the gradients of query, key and value."""
    leaves = [tensor.clone().requires_grad_() for tensor in (query, key, value)]
    output = attend(*leaves)
    return [output.detach(), *torch.autograd.grad(output, leaves, gradient)]


def dense(mask: Mask, layout: Ragged, factors: Tensor | None = None) -> Callable[..., Tensor]:
    """The reference over streams [tokens, heads, width]; factors are those of dropout, [heads, tokens, tokens]."""
    allowed = ragged_mask(mask, layout, num_heads=HEADS)

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
        _, weights = dense_attention(query, key, value, allowed)
        if factors is not None:
            weights = weights * factors
        return (weights @ value)[0].transpose(0, 1)

    return attend


def rectangles(schedule: Schedule, dropout: float = 0.0) -> Callable[..., Tensor]:
    return lambda query, key, value: rectangle_attention(query, key, value, schedule, dropout=dropout)


@by_kernel
@by_mask
@pytest.mark.parametrize("part_weights", [30, 1000, schedules.PART_WEIGHTS])
def test_however_small_the_parts_it_is_the_reference(
    text: str, kernel: str, part_weights: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "PART_WEIGHTS", part_weights)
    layout, mask = Ragged.from_lengths(LENGTHS), parse(text)
    schedule = plan(mask, layout, layout, HEADS, kernel=kernel)
    tensors = inputs(layout)
    torch.testing.assert_close(outcome(rectangles(schedule), *tensors), outcome(dense(mask, layout), *tensors))


@by_mask
def test_weights_computed_again_are_those_that_were_kept(text: str) -> None:
    layout = Ragged.from_lengths(LENGTHS)
    schedule = plan(parse(text), layout, layout, HEADS, kernel="whole")
    tensors = inputs(layout)
    narrow = [tensor[..., :1].contiguous() for tensor in tensors]  # of little memory: the weights take more
    wide = [torch.nn.functional.pad(tensor, (0, 199)) for tensor in narrow]
    assert narrow[0].numel() < schedule.weights < wide[0].numel()

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return rectangle_attention(query, key, value, schedule, scale=1.0, dropout=0.5)

    torch.manual_seed(0)
    kept = outcome(attend, *wide)
    torch.manual_seed(0)
    again = outcome(attend, *narrow)
    torch.testing.assert_close([tensor[..., :1] for tensor in kept], again)


@by_kernel
def test_a_query_that_may_attend_to_nothing_yields_zeros_and_no_gradient(kernel: str) -> None:
    layout = Ragged.from_lengths([3, 6])
    schedule = plan(parse("~window(2)"), layout, layout, HEADS, kernel=kernel)
    output, *gradients = outcome(rectangles(schedule), *inputs(layout))
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
    schedule = plan(mask, layout, layout, HEADS, biased=True, kernel=kernel)
    found = rectangle_attention(query, key, value, schedule, bias_table=table, scale=1.0)
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
    schedule = plan(mask, layout, layout, HEADS, kernel=kernel)
    tensors = inputs(layout)
    torch.manual_seed(7)
    found = outcome(rectangles(schedule, dropout=0.3), *tensors)
    torch.manual_seed(7)
    factors = spread(schedule, Dropout.draw(0.3))
    torch.testing.assert_close(found, outcome(dense(mask, layout, factors), *tensors))


def spread(schedule: Schedule, dropout: Dropout) -> Tensor:
    """The factors of a schedule's weights where these stand in the whole matrix: [heads, queries, keys]."""
    factors = torch.zeros(schedule.num_queries * HEADS + 1, schedule.num_keys + 1, dtype=torch.float64)
    nowhere = schedule.num_queries * HEADS
    for bundle in schedule.bundles:
        survivors = dropout.survivors(bundle.weights, bundle.number, factors.device)
        assert survivors is not None
        for part, own in zip(bundle.parts, bundle.cut(dropout.factors(survivors, torch.float64)), strict=True):
            columns = part.stack.keys[part.rectangles].repeat_interleave(len(part.heads), 0)
            side, slots = schedule.queries, part.queries.slots
            rows = side.rows[slots].where(side.real[slots], nowhere).view(len(columns), -1)
            factors[rows[:, :, None], columns[:, None, :]] = own
    return factors[:-1, :-1].view(schedule.num_queries, HEADS, -1).transpose(0, 1)


def test_dropout_keeps_the_expectation_and_is_reproduced_by_the_seed() -> None:
    layout = Ragged.from_lengths([6, 3])
    schedule = plan(parse("full()"), layout, layout, HEADS)
    query, key, value, _ = inputs(layout)
    draws = 2000
    torch.manual_seed(0)
    drawn = torch.stack([rectangle_attention(query, key, value, schedule, dropout=0.2) for _ in range(draws)])
    torch.manual_seed(0)
    again = torch.stack([rectangle_attention(query, key, value, schedule, dropout=0.2) for _ in range(3)])
    torch.testing.assert_close(again, drawn[:3], rtol=0, atol=0)
    assert not torch.equal(drawn[0], drawn[1])
    expected = rectangle_attention(query, key, value, schedule)
    # Means of so many draws lie within five standard errors.
    assert ((drawn.mean(0) - expected).abs() <= 5 * drawn.std(0) / draws**0.5).all()


def test_factors_are_0_or_the_inverse_of_the_share_that_is_kept() -> None:
    dropout, device = Dropout(0.25, seed=1), torch.device("cpu")
    survivors = dropout.survivors(9999, 0, device)
    assert survivors is not None
    factors = dropout.factors(survivors, torch.float32)
    assert sorted(set(factors.tolist())) == pytest.approx([0, 4 / 3])
    assert factors.mean() == pytest.approx(1, abs=0.05)
    assert Dropout(0.0, seed=1).survivors(3, 0, device) is None


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradient_checkpointing_gives_the_same_gradients(dropout: float) -> None:
    layout = Ragged.from_lengths(LENGTHS)
    attend = rectangles(plan(parse("window(3)"), layout, layout, HEADS), dropout)

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
    schedule = plan(mask, layout, layout, HEADS, kernel=kernel)
    allowed = ragged_mask(mask, layout)[None]

    def sdpa(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, allowed)[0].transpose(0, 1)

    ours, theirs = torch.zeros(4), torch.zeros(4)
    for seed in range(3):
        tensors = inputs(layout, torch.bfloat16, seed)
        exact = outcome(dense(mask, layout), *(tensor.double() for tensor in tensors))
        found = outcome(rectangles(schedule), *tensors)
        assert all(tensor.dtype == torch.bfloat16 for tensor in found)
        ours += errors(found, exact)
        theirs += errors(outcome(sdpa, *tensors), exact)
    assert (ours <= 1.02 * theirs).all(), f"errors {ours}, of sdpa {theirs}"


def errors(found: list[Tensor], exact: list[Tensor]) -> Tensor:
    """Of output and gradients, as root mean squares."""
    pairs = zip(found, exact, strict=True)
    return torch.stack([(one.double() - other).square().mean().sqrt().float() for one, other in pairs])


def test_autocast_does_not_change_what_is_computed() -> None:
    layout = Ragged.from_lengths([9, 4])
    attend = rectangles(plan(parse("causal()"), layout, layout, HEADS))
    tensors = inputs(layout, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = outcome(attend, *tensors)
    torch.testing.assert_close(inside, outcome(attend, *tensors), rtol=0, atol=0)


def test_two_runs_give_the_same_bits() -> None:
    layout = Ragged.from_lengths([300, 200])
    attend = rectangles(plan(parse("window(20) | global_tokens(0)"), layout, layout, HEADS))
    tensors = inputs(layout, torch.float32)
    torch.testing.assert_close(outcome(attend, *tensors), outcome(attend, *tensors), rtol=0, atol=0)


def test_evaluation_keeps_nothing_and_inputs_need_not_be_contiguous() -> None:
    layout = Ragged.from_lengths([9, 4])
    schedule = plan(parse("causal()"), layout, layout, HEADS)
    query, key, value, _ = inputs(layout)
    turned = [tensor.transpose(0, 1).contiguous().transpose(0, 1) for tensor in (query, key, value)]
    with torch.no_grad():
        output = rectangle_attention(turned[0], turned[1], turned[2], schedule)
    assert not output.requires_grad
    torch.testing.assert_close(output, rectangle_attention(query, key, value, schedule))


def test_a_stack_in_which_everything_is_allowed_needs_no_mask() -> None:
    stack = Stack(torch.tensor([[0, 1]]), torch.tensor([[0, 1, 2]]))
    assert stack.additive is None
    assert stack.empty is None
    masked = replace(stack, allowed=torch.tensor([[[[True], [False]]]]))
    assert masked.empty is None, "the first two keys are allowed to every query"


def test_parts_cover_each_rectangle_and_head_once() -> None:
    stack = Stack(torch.zeros(5, 3, dtype=torch.int64), torch.zeros(5, 7, dtype=torch.int64), heads=range(1, 4))
    for limit in (1, 21, 50, 10**6):
        parts = Schedule((stack,), 3, 7, HEADS).parts if limit == 10**6 else _parts(stack, limit)
        covered = [
            (rectangle, head)
            for part in parts
            for rectangle in range(part.rectangles.start, part.rectangles.stop)
            for head in part.heads
        ]
        assert sorted(covered) == [(rectangle, head) for rectangle in range(5) for head in (1, 2, 3)]


def _parts(stack: Stack, limit: int) -> tuple[Part, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedules, "PART_WEIGHTS", limit)
        return Schedule((stack,), 3, 7, HEADS).parts
