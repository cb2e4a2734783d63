"""The strategies that are tried for a mask."""

import pytest

from finetune.attention.masks import parse
from finetune.attention.planning.strategies import WHOLE, Strategy, block_strategies


@pytest.mark.parametrize(
    ("text", "longest", "sizes", "steps"),
    [
        ("window(3)", 1000, {32, 64, 128, 256}, {1}),
        ("window(3)", 100, {32, 64}, {1}),
        ("window(3)", 5, {32}, {1}),
        ("blocks(100) | causal()", 1000, {32, 64, 100, 128, 256}, {1}),
        ("blocks(10)", 1000, {32, 64, 128, 256}, {1}),
        ("~(strided(8) & dilated(90, 3))", 4000, {32, 64, 128, 256}, {1, 3, 8}),
        ("strided(2000)", 1000, {32, 64, 128, 256}, {1}),
    ],
)
def test_sizes_and_steps_follow_the_mask(text: str, longest: int, sizes: set[int], steps: set[int]) -> None:
    found = block_strategies(parse(text), longest)
    assert {one.size for one in found} == sizes
    assert {one.step for one in found} == steps
    assert all(one.kernel == "blocks" for one in found)
    assert all(one.step == 1 or one.size * one.step <= longest for one in found)


def test_strategies_are_described_in_words() -> None:
    assert str(WHOLE) == "whole examples"
    assert str(Strategy("blocks", 64)) == "blocks of 64 queries"
    assert str(Strategy("blocks", 64, 4)) == "blocks of 64 queries 4 apart"
