"""Every plan is exact, whatever the mask, the lengths and the kernel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.plan import AttentionPlan
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import LayoutError, Ragged, ragged_mask
from finetune.attention.masks import Mask, MaskError, MissingColumn, parse
from finetune.attention.planning import plan
from tests.attention.expressions import NUM_HEADS, masks

HEAD_DIM = 3
KERNELS = ("whole", "blocks")
lengths = st.lists(st.integers(0, 12), min_size=0, max_size=5)
kernels = st.sampled_from([None, *KERNELS])


def stream(sizes: list[int], seed: int, *, scattered: bool = False) -> Ragged:
    """Return examples with every column and value that random masks read; words are runs unless they are scattered."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(0, 4, (sum(sizes),), generator=generator)
    columns = {
        "word": words if scattered else words.sort().values,
        "is_cls": (torch.rand(sum(sizes), generator=generator) < 0.1).long(),
    }
    return Ragged.from_lengths(sizes, columns, {"source_length": torch.tensor(sizes, dtype=torch.int64) // 2})


def outcomes(
    mask: Mask,
    queries: Ragged,
    keys: Ragged,
    has_relative_bias: bool,
    kernel: str | None,
    seed: int,
    attention_plan: AttentionPlan | None = None,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return output and all gradients by the plan, and by the reference."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(*queries.sizes, *keys.sizes, 1, 1)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    query, key = leaf(queries.total, NUM_HEADS, HEAD_DIM), leaf(keys.total, NUM_HEADS, HEAD_DIM)
    value, table = leaf(keys.total, NUM_HEADS, HEAD_DIM + 1), leaf(NUM_HEADS, 2 * longest - 1)
    attention_plan = attention_plan or plan(
        mask, queries, keys, NUM_HEADS, head_dim=HEAD_DIM, has_relative_bias=has_relative_bias, kernel=kernel
    )
    found = tiled_attention(query, key, value, attention_plan, bias_table=table if has_relative_bias else None)
    index = keys.positions - queries.positions[:, None] + longest - 1
    bias = table[:, index.clamp(0, 2 * longest - 2)] if has_relative_bias else None
    rows = [each.transpose(0, 1)[None] for each in (query, key, value)]
    allowed = ragged_mask(mask, queries, keys, num_heads=NUM_HEADS)
    expected, _ = dense_attention(rows[0], rows[1], rows[2], allowed, bias=bias)
    gradient = leaf(*found.shape).detach()

    def outcome(output: Tensor) -> list[Tensor]:
        leaves = [query, key, value, table] if has_relative_bias else [query, key, value]
        return [output.detach(), *torch.autograd.grad(output, leaves, gradient, materialize_grads=True)]

    return outcome(found), outcome(expected[0].transpose(0, 1))


@settings(max_examples=150, deadline=None)
@given(masks, lengths, st.booleans(), kernels, st.integers(0, 2**31))
def test_self_attention_is_the_reference(
    mask: Mask, sizes: list[int], has_relative_bias: bool, kernel: str | None, seed: int
) -> None:
    layout = stream(sizes, seed)
    found, expected = outcomes(mask, layout, layout, has_relative_bias, kernel, seed)
    torch.testing.assert_close(found, expected)


@settings(max_examples=100, deadline=None)
@given(masks, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=5), kernels, st.integers(0, 2**31))
def test_cross_attention_is_the_reference(
    mask: Mask, sizes: list[tuple[int, int]], kernel: str | None, seed: int
) -> None:
    queries, keys = stream([size for size, _ in sizes], seed), stream([size for _, size in sizes], seed + 1)
    found, expected = outcomes(mask, queries, keys, False, kernel, seed)
    torch.testing.assert_close(found, expected)


LONG = [
    "full()",
    "causal()",
    "causal() & window(40)",
    "window(20) | global_tokens(0, -1)",
    "window(20) | global_tokens(cls)",
    "window(20) & ~keys(cls) | queries(0, -1)",
    "dilated(60, 4) | global_tokens(7)",
    "dilated(60, 4) & causal() | global_tokens(cls)",
    "blocks(50)",
    "strided(9)",
    "same(word)",
    "same(word) | global_tokens(cls)",
    "same(word) & window(30)",
    "same(word) | window(3)",
    "near(word, 1) & window(50)",
    "before(word) | same(word)",
    "random_keys(5, 1)",
    "random_keys(2, 1, by_head=true) | window(2)",
    "random_keys(9, 1) & window(100) | global_tokens(0)",
    "~custom(every_third)",
    "~window(100)",
    "prefix(source_length) | causal()",
    "per_head(window(10), full(), none(), custom(every_third))",
]


@pytest.mark.parametrize("kernel", [None, *KERNELS])
@pytest.mark.parametrize("text", LONG)
def test_long_examples_among_short_ones_are_the_reference(text: str, kernel: str | None) -> None:
    queries = stream([3, 300, 0, 65, 1], 0, scattered=True)
    keys = stream([300, 90, 5, 0, 2], 1)
    for layouts in ((queries, queries), (queries, keys)):
        found, expected = outcomes(parse(text), *layouts, layouts[0] is layouts[1], kernel, 0)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kernel", [None, *KERNELS])
def test_a_mask_that_cannot_be_evaluated_is_refused_by_every_kernel(kernel: str | None) -> None:
    layout = Ragged.from_lengths([3, 200])
    with pytest.raises(MissingColumn, match="'word'"):
        plan(parse("same(word)"), layout, layout, NUM_HEADS, kernel=kernel)
    with pytest.raises(MaskError, match="multiple of 3"):
        plan(parse("per_head(full(), none(), causal())"), layout, layout, NUM_HEADS, kernel=kernel)
    with pytest.raises(LayoutError, match="2 examples of queries and 1 of keys"):
        plan(parse("window(3)"), layout, Ragged.from_lengths([3]), NUM_HEADS, kernel=kernel)
