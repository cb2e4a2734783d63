import pickle
from itertools import product

import pytest
import torch
from hypothesis import given, settings

from finetune.attention.masks import (
    Mask,
    MaskError,
    blocks,
    causal,
    full,
    global_tokens,
    none,
    parse,
    per_head,
    prefix,
    window,
)
from finetune.attention.masks.base import MAX_DEPTH
from finetune.attention.masks.operators import And, Not, Or
from tests.attention.expressions import masks

properties = settings(deadline=None, max_examples=100)


def test_simplification_never_changes_the_meaning() -> None:
    """Test all expressions of three steps from two masks that together have all four combinations of values."""
    length = 4
    start = [full(), none(), causal(), blocks(2)]
    meaning = {mask: mask.dense(length) for mask in start}
    for left, right in [(start, start), (start, None), (None, None)]:
        lefts, rights = (list(meaning) if side is None else side for side in (left, right))
        for a, b in product(lefts, rights):
            built = {a & b: meaning[a] & meaning[b], a | b: meaning[a] | meaning[b], ~b: ~meaning[b]}
            for mask, expected in built.items():
                assert torch.equal(mask.dense(length), expected), f"{a} with {b}"
            meaning |= built


@properties
@given(mask=masks)
def test_text_parses_back_to_an_equal_mask(mask: Mask) -> None:
    again = parse(str(mask))
    assert again == mask
    assert hash(again) == hash(mask)
    assert str(again) == str(mask)
    assert pickle.loads(pickle.dumps(mask)) == mask


@properties
@given(a=masks, b=masks, c=masks)
def test_operators_obey_the_laws_of_their_simplification(a: Mask, b: Mask, c: Mask) -> None:
    assert a & full() == a
    assert a | none() == a
    assert a & none() == none()
    assert a | full() == full()
    assert ~~a == a
    assert a & a == a
    assert a | a == a
    assert a & ~a == none()
    assert a | ~a == full()
    assert a & b == b & a
    assert a | b == b | a
    assert (a & b) & c == a & (b & c)
    assert (a | b) | c == a | (b | c)
    assert hash(a & b) == hash(b & a)


def test_different_masks_are_not_equal() -> None:
    a, b = causal(), window(3)
    assert len({a, b, a & b, a | b, ~a, ~(a & b), window(3, 4), prefix(3), prefix("n"), per_head(a, b)}) == 10


def test_the_written_order_is_kept() -> None:
    assert str(window(4) | global_tokens(0)) == "window(4) | global_tokens(0)"
    assert str(global_tokens(0) | window(4)) == "global_tokens(0) | window(4)"


def test_expressions_are_nested_up_to_a_limit_and_read_back() -> None:
    mask: Mask = causal()
    for level in range(1, MAX_DEPTH // 2):
        mask = ~(mask & window(level))
    assert parse(str(mask)) == mask
    assert mask.count(70) == mask.dense(70).sum()
    assert len(pickle.loads(pickle.dumps(mask)).dense(3)) == 1
    assert mask.depth == MAX_DEPTH - 1
    deepest = mask & prefix(1)
    with pytest.raises(MaskError, match="nested too deeply: masks may have 64 levels, this one has 65"):
        Not.of(deepest)


def test_members_that_change_nothing_are_left_out() -> None:
    members = [window(size) for size in range(2000)]
    assert Or.of(*members, none(), *members) == Or.of(*reversed(members))
    assert And.of(*members, ~members[7]) == none()
