"""Work and plans follow the pairs that a mask allows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import Ragged
from finetune.attention.masks import parse
from finetune.attention.planning import plan
from finetune.attention.planning.reach import cut, far_reaching
from finetune.attention.planning.view import Booleans, Integers, View

SPARSE = [
    "window(64) | global_tokens(0)",
    "window(30) | global_tokens(0, 700, -1)",
    "window(64) | global_tokens(cls)",
    "causal() & window(50, 0)",
    "dilated(256, 4) | global_tokens(0)",
    "strided(16)",
    "blocks(100)",
    "same(sentence)",
    "per_head(window(40), dilated(200, 5), none(), blocks(64))",
]
by_mask = pytest.mark.parametrize("text", SPARSE)


def stream(*lengths: int) -> Ragged:
    """Examples with sentences of 40 tokens, some of which begin with a marked token."""
    total = sum(lengths)
    columns = {"sentence": torch.arange(total) // 40, "is_cls": (torch.arange(total) % 300 == 7).long()}
    return Ragged.from_lengths(lengths, columns)


def computed(text: str, layout: Ragged, num_heads: int = 4) -> int:
    return plan(parse(text), layout, layout, num_heads).weights


@by_mask
def test_few_pairs_are_computed_that_are_not_allowed(text: str) -> None:
    layout = stream(2048)
    features = dict(layout.columns)
    allowed = parse(text).count(2048, num_heads=4, features=features)
    assert allowed <= computed(text, layout) < 2 * allowed


@by_mask
def test_several_examples_cost_what_each_costs_alone(text: str) -> None:
    together = computed(text, stream(1500, 900, 2100))
    alone = sum(computed(text, stream(length)) for length in (1500, 900, 2100))
    assert together < 1.25 * alone


@pytest.mark.parametrize("text", [text for text in SPARSE if "cls" not in text and "strided" not in text])
def test_pairs_looked_at_grow_as_the_length(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    evaluate = View.allowed

    def counted(view: View, examples: Integers, queries: Integers, keys: Integers) -> Booleans:
        answer = evaluate(view, examples, queries, keys)
        looked_at.append(answer.size)
        return answer

    monkeypatch.setattr(View, "allowed", counted)
    totals = []
    for length in (2048, 8192):
        computed(text, stream(length))  # the choice is remembered
        looked_at.clear()
        computed(text, stream(length))
        totals.append(sum(looked_at))
    assert totals[1] < 6 * totals[0], "four times as long"


def test_queries_that_reach_far_are_those_of_global_tokens() -> None:
    layout = stream(1000, 40, 600)
    view = View(parse("window(20) | global_tokens(3, -1) | global_tokens(cls)"), layout, layout, 1, 0)
    marked = layout.columns["is_cls"].numpy() != 0
    edges = np.zeros(layout.total, dtype=bool)
    edges[[3, 999, 1043, 1043]] = True
    found = np.flatnonzero(far_reaching(view)[:1000])
    assert found.tolist() == np.flatnonzero((marked | edges)[:1000]).tolist()


@pytest.mark.parametrize("text", ["full()", "causal()", "window(100)", "none()"])
def test_without_global_tokens_no_query_reaches_far(text: str) -> None:
    layout = stream(1000, 300)
    assert not far_reaching(View(parse(text), layout, layout, 1, 0)).any()


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=5), st.integers(1, 8), st.integers(1, 5))
def test_blocks_hold_every_query_once_in_steps(sizes: list[int], size: int, step: int) -> None:
    blocks = cut(np.array(sizes, dtype=np.int64), size, step)
    held = sorted(
        (int(example), int(position))
        for example, row in zip(blocks.examples, blocks.positions, strict=True)
        for position in row
        if position >= 0
    )
    assert held == [(example, position) for example, length in enumerate(sizes) for position in range(length)]
    gaps = np.diff(blocks.positions, axis=1)[blocks.positions[:, 1:] >= 0]
    assert (gaps == step).all()
    assert (blocks.counts > 0).all()
