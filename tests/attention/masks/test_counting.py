from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.masks import (
    Mask,
    causal,
    counting,
    full,
    parse,
    prefix,
    strided,
    window,
)
from finetune.attention.masks.global_tokens import GlobalTokens
from finetune.attention.masks.operators import Or
from finetune.attention.masks.prefix import Prefix
from finetune.attention.masks.scope import Scope
from finetune.attention.masks.strided import Strided
from finetune.attention.masks.window import Window
from tests.attention.expressions import NUM_HEADS, Example, atoms, examples, masks

properties = settings(deadline=None, max_examples=100)


@properties
@given(mask=masks, example=examples(), block=st.integers(1, 5))
def test_count_is_the_sum_of_the_dense_form(mask: Mask, example: Example, block: int) -> None:
    with patch.multiple(counting, BLOCK=block, BLOCKS_AT_ONCE=2, BOUNDS_AT_ONCE=6):
        assert mask.count(**example.arguments) == mask.dense(**example.arguments).sum()


@properties
@given(text=atoms, example=examples())
def test_closed_counts_are_the_sum_of_the_dense_form(text: str, example: Example) -> None:
    mask = parse(text)
    closed = mask.closed_count(example.query_length, example.keys)
    assert closed is None or closed * NUM_HEADS == mask.dense(**example.arguments).sum()


@properties
@given(mask=masks, example=examples())
def test_closed_counts_of_expressions_are_the_sum_of_the_dense_form(mask: Mask, example: Example) -> None:
    closed = mask.closed_count(example.query_length, example.keys)
    assert closed is None or closed * NUM_HEADS == mask.dense(**example.arguments).sum()


def test_count_of_a_square_that_fits_no_memory() -> None:
    length, radius = 200_000, 64
    band = length * (radius + 1) - radius * (radius + 1) // 2
    assert (causal() & window(radius)).count(length) == band
    assert full().count(length, num_heads=12) == 12 * length**2


@properties
@given(mask=masks, example=examples(), data=st.data())
def test_key_ranges_cover_every_key_that_is_reached(mask: Mask, example: Example, data: st.DataObject) -> None:
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, example.query_length)] * 2)))
    ranges = mask.key_ranges(range(first, last), **example.arguments)
    reached = mask.dense(**example.arguments)[:, first:last].flatten(0, 1).any(0).nonzero().flatten().tolist()
    assert {*reached} <= {key for keys in ranges for key in keys}
    assert all(before.stop < after.start for before, after in pairwise(ranges))
    assert all(keys and {*keys} <= {*range(example.keys)} for keys in ranges)


@properties
@given(
    text=atoms.filter(lambda text: not text.startswith(("random_keys", "custom"))), example=examples(), data=st.data()
)
def test_key_ranges_of_one_query_are_exact(text: str, example: Example, data: st.DataObject) -> None:
    mask = parse(text)
    for q in range(example.query_length):
        reached = mask.dense(**example.arguments)[:, q].any(0).nonzero().flatten().tolist()
        assert [key for keys in mask.key_ranges(range(q, q + 1), **example.arguments) for key in keys] == reached


@properties
@given(parts=st.lists(atoms.map(parse), min_size=2, max_size=6), example=examples(), block=st.integers(1, 5))
def test_pairs_that_several_members_of_an_or_allow_are_counted_once(
    parts: list[Mask], example: Example, block: int
) -> None:
    mask = Or.of(*parts)
    with patch.multiple(counting, BLOCK=block, BLOCKS_AT_ONCE=2, BOUNDS_AT_ONCE=6):
        assert mask.count(**example.arguments) == mask.dense(**example.arguments).sum()


def watched(kind: type[Mask], monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return a list to which the positions of queries are added whenever a mask of this kind is evaluated."""
    queries: list[Tensor] = []
    allowed = kind.allowed

    def watch(mask: Mask, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        queries.append(q)
        return allowed(mask, scope, head, q, k)

    monkeypatch.setattr(kind, "allowed", watch)
    return queries


def test_an_or_of_very_many_masks_is_counted_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = watched(Prefix, monkeypatch)
    length, number = 100, 2000
    text = " | ".join(f"prefix({n % length}) & window({n})" for n in range(number))
    mask = parse(text)
    assert len(mask.alternatives()) == number
    assert mask.count(length) == (parse(f"prefix({length - 1})")).count(length) == length * (length - 1)
    assert len(evaluated) <= 3 * number  # once alone, once with the others, and once more for the sum above


def test_formulas_spare_the_evaluation_of_members_that_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only blocks that two members of an or reach are evaluated, although one of them reaches all blocks."""
    evaluated = watched(Strided, monkeypatch)
    length = 10_000
    mask = strided(3) | window(5) | prefix(2)
    expected = strided(3).count(length) + sum(
        sum(k % 3 != q % 3 for k in {*range(max(0, q - 5), min(length, q + 6)), 0, 1}) for q in range(length)
    )
    assert mask.count(length) == expected
    blocks_on_the_diagonal = -(-length // counting.BLOCK)
    assert sum(len(q) for q in evaluated) <= 4 * blocks_on_the_diagonal


@pytest.mark.parametrize(
    ("join", "write"), [(" | ", "global_tokens({})"), (" & ", "~global_tokens({})"), (" | ", "~prefix({})")]
)
def test_thousands_of_masks_with_formulas_are_counted_by_formulas(
    join: str, write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One evaluation of each would take minutes: 3,000 masks at 4,096 tokens are 50 billion pairs."""
    number, length = 3000, 4096
    evaluated = watched(GlobalTokens, monkeypatch)
    mask = parse(join.join(write.format(n) for n in range(number)))
    without = (length - number) ** 2
    expected = {"global_tokens({})": length**2 - without, "~global_tokens({})": without, "~prefix({})": length**2}
    assert mask.count(length) == expected[write]
    assert not evaluated


def test_members_are_evaluated_only_in_the_blocks_that_they_leave_open(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = watched(Window, monkeypatch)
    length, number = 1500, 20
    mask = parse(" | ".join(f"window({60 * n}) & prefix({length - n})" for n in range(number)))
    blocks = -(-length // counting.BLOCK)
    mask.count(length)
    assert sum(len(q) for q in evaluated) < number * blocks**2 / 2
    assert mask.count(200) == mask.dense(200).sum()
