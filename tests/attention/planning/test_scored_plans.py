"""Plans for masks with score terms are exact, whatever the terms, the lengths and the kernel."""

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.kernels import plan as plans
from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.flex import flex_stream_attention
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import Ragged, dense_scores, ragged_mask
from finetune.attention.masks import Mask, MaskError, MissingColumn, parse
from finetune.attention.planning import plan, plan_cls_only
from finetune.attention.planning.explain import explain
from finetune.attention.planning.flex import flex_blocks
from finetune.attention.planning.planner import select
from tests.attention.expressions import NUM_HEADS, Example
from tests.attention.planning.test_planner import HEAD_DIM, KERNELS, kernels, lengths, stream
from tests.attention.score_terms import scored_texts, scores_by_loops


def example_of(queries: Ragged, keys: Ragged, number: int) -> Example:
    def features(side: Ragged) -> dict[str, Any]:
        tokens = slice(int(side.cu_seqlens[number]), int(side.cu_seqlens[number + 1]))
        values = {name: int(value[number]) for name, value in {**queries.values, **keys.values}.items()}
        return {**{name: column[tokens].tolist() for name, column in side.columns.items()}, **values}

    if keys is queries:
        return Example(queries.sizes[number], None, features(queries), None)
    return Example(queries.sizes[number], keys.sizes[number], features(queries), features(keys))


def stream_scores(mask: Mask, text: str | None, queries: Ragged, keys: Ragged) -> Tensor:
    """Return float64 [heads, queries, keys] of the stream; by plain Python where the text is given."""
    total = torch.zeros(NUM_HEADS, queries.total, keys.total, dtype=torch.float64)
    for number in range(len(queries.sizes)):
        q, k = (slice(int(side.cu_seqlens[number]), int(side.cu_seqlens[number + 1])) for side in (queries, keys))
        example = example_of(queries, keys, number)
        own = dense_scores(mask, **example.arguments) if text is None else scores_by_loops(text, example)
        total[:, q, k] = own
    return total


def check(text: str, queries: Ragged, keys: Ragged, has_bias: bool, kernel: str | None, *, slowly: bool = True) -> None:
    """Compare output and all gradients of a plan with those of the reference."""
    mask, generator = parse(text), torch.Generator().manual_seed(0)
    longest = max(*queries.sizes, *keys.sizes, 1, 1)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    query, key = leaf(queries.total, NUM_HEADS, HEAD_DIM), leaf(keys.total, NUM_HEADS, HEAD_DIM)
    value, table = leaf(keys.total, NUM_HEADS, HEAD_DIM + 1), leaf(NUM_HEADS, 2 * longest - 1)
    attention_plan = plan(mask, queries, keys, NUM_HEADS, head_dim=HEAD_DIM, has_relative_bias=has_bias, kernel=kernel)
    found = tiled_attention(query, key, value, attention_plan, bias_table=table if has_bias else None)
    bias = stream_scores(mask, text if slowly else None, queries, keys)
    if has_bias:
        index = keys.positions - queries.positions[:, None] + longest - 1
        bias = bias + table[:, index.clamp(0, 2 * longest - 2)]
    rows = [each.transpose(0, 1)[None] for each in (query, key, value)]
    allowed = ragged_mask(mask.boolean, queries, keys, num_heads=NUM_HEADS)
    expected = dense_attention(rows[0], rows[1], rows[2], allowed, bias=bias)[0][0].transpose(0, 1)
    gradient = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    leaves = [query, key, value, table] if has_bias else [query, key, value]
    outcomes = [
        [output.detach(), *torch.autograd.grad(output, leaves, gradient, materialize_grads=True)]
        for output in (found, expected)
    ]
    torch.testing.assert_close(*outcomes)


@settings(max_examples=100, deadline=None)
@given(st.data(), lengths, st.booleans(), kernels, st.integers(0, 2**31))
def test_self_attention_is_the_reference(
    data: st.DataObject, sizes: list[int], has_bias: bool, kernel: str | None, seed: int
) -> None:
    layout = stream(sizes, seed)
    check(data.draw(scored_texts(in_cross=False)), layout, layout, has_bias, kernel)


@settings(max_examples=60, deadline=None)
@given(
    st.data(), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=5), kernels, st.integers(0, 2**31)
)
def test_cross_attention_is_the_reference(
    data: st.DataObject, sizes: list[tuple[int, int]], kernel: str | None, seed: int
) -> None:
    queries, keys = stream([size for size, _ in sizes], seed), stream([size for _, size in sizes], seed + 1)
    check(data.draw(scored_texts(in_cross=True)), queries, keys, False, kernel)


LONG = [
    "full() + alibi()",
    "causal() + alibi(2) + bias(word, 0.5)",
    "(window(20) | global_tokens(0, -1)) + alibi() + score(late_keys)",
    "(dilated(60, 4) | global_tokens(7)) + score(uneven)",
    "same(word) + alibi()",
    "per_head(window(10), full(), none(), custom(every_third)) + alibi() + score(uneven)",
]


@pytest.mark.parametrize("chunk_weights", [1000, plans.CHUNK_WEIGHTS])
@pytest.mark.parametrize("kernel", [None, *KERNELS])
@pytest.mark.parametrize("text", LONG)
def test_long_examples_among_short_ones_are_the_reference(
    text: str, kernel: str | None, chunk_weights: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "CHUNK_WEIGHTS", chunk_weights)
    layout = stream([3, 300, 0, 65, 1], 0)
    check(text, layout, layout, True, kernel, slowly=False)


@settings(max_examples=40, deadline=None)
@given(st.data(), lengths, st.integers(0, 2**31))
def test_the_first_tokens_alone_have_their_rows_of_the_whole(data: st.DataObject, sizes: list[int], seed: int) -> None:
    layout, mask = stream(sizes, seed), parse(data.draw(scored_texts(in_cross=False)))
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (
        torch.randn(layout.total, NUM_HEADS, HEAD_DIM, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    whole = tiled_attention(query, key, value, plan(mask, layout, layout, NUM_HEADS))
    filled = layout.starts[layout.lengths > 0]
    first = plan_cls_only(mask, layout, NUM_HEADS)
    rows = (
        query[layout.starts.clamp(max=max(layout.total - 1, 0))]
        if layout.total
        else query.new_zeros(len(sizes), NUM_HEADS, HEAD_DIM)
    )
    found = tiled_attention(rows, key, value, first)
    torch.testing.assert_close(found[layout.lengths > 0], whole[filled])


@pytest.mark.parametrize("text", ["full() + alibi()", "(causal() | same(word)) + bias(word, -1.5) + score(uneven)"])
def test_flex_attention_adds_the_numbers_to_the_bias(text: str) -> None:
    layout, mask = stream([3, 140, 0, 70], 0), parse(text)
    blocks = flex_blocks(mask, select(mask, layout, layout, NUM_HEADS), layout, layout)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(layout.total, NUM_HEADS, 16, generator=generator) for _ in range(3))
    table = torch.randn(NUM_HEADS, 279, generator=generator)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        found = flex_stream_attention(query, key, value, blocks, bias_table=table, scale=0.25, compiled=False)
    index = (layout.positions - layout.positions[:, None] + 139).clamp(0, 278)
    rows = [each.transpose(0, 1)[None] for each in (query, key, value)]
    bias = stream_scores(mask, None, layout, layout).float() + table[:, index]
    allowed = ragged_mask(mask.boolean, layout, num_heads=NUM_HEADS)
    expected, _ = dense_attention(rows[0], rows[1], rows[2], allowed, bias=bias, scale=0.25)
    torch.testing.assert_close(found, expected[0].transpose(0, 1))


@pytest.mark.parametrize("kernel", [None, *KERNELS])
def test_a_term_that_cannot_be_evaluated_is_refused_by_every_kernel(kernel: str | None) -> None:
    layout = Ragged.from_lengths([3, 200])
    with pytest.raises(MissingColumn, match="'word'"):
        plan(parse("full() + bias(word, 1)"), layout, layout, NUM_HEADS, kernel=kernel)
    with pytest.raises(MaskError, match=r"alibi\(\) is not defined in cross-attention"):
        plan(parse("causal() + alibi()"), layout, Ragged.from_lengths([3, 200]), NUM_HEADS, kernel=kernel)


def test_the_explanation_counts_the_pairs_of_the_mask_and_names_the_terms() -> None:
    layout = Ragged.from_lengths([300, 200])
    plain, scored = (explain(parse(text), layout, layout, NUM_HEADS) for text in ("window(9)", "window(9) + alibi()"))
    assert str(scored.mask) == "window(9) + alibi()"
    assert (scored.kernels, scored.allowed_pairs) == (plain.kernels, plain.allowed_pairs)
