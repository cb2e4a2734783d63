from collections.abc import Callable

import pytest

from finetune.attention.layout import Ragged
from finetune.attention.masks import (
    Mask,
    MaskArgumentError,
    blocks,
    custom,
    dilated,
    full,
    global_tokens,
    keys,
    near,
    per_head,
    prefix,
    queries,
    random_keys,
    same,
    strided,
    window,
)
from finetune.attention.planning import plan


@pytest.mark.parametrize(
    ("build", "arguments", "problem"),
    [
        (window, (-1,), "window: left must be at least 0, got -1"),
        (window, (1, -1), "window: right must be at least 0, got -1"),
        (window, ("near",), "window: left must be a whole number, got the name 'near'"),
        (window, (True,), "window: left must be a whole number, got True"),
        (dilated, (2, 0), "dilated: step must be at least 1, got 0"),
        (strided, (0,), "strided: step must be at least 1"),
        (blocks, (0,), "blocks: size must be at least 1"),
        (prefix, (-1,), "prefix: size must be at least 0"),
        (prefix, (0.5,), "prefix: size must be a whole number, got 0.5"),
        (global_tokens, (), "at least one position"),
        (global_tokens, (0.5,), "global_tokens: a token must be a whole number, got 0.5"),
        (random_keys, (-1, 0), "random_keys: number must be at least 0"),
        (random_keys, (1, -1), "random_keys: seed must be at least 0"),
        (random_keys, (1, 2**31), r"random_keys: seed must be below 2\*\*31"),
        (same, (3,), "same: column must be a name, got 3"),
        (same, ("",), "same: column must be a name"),
        (same, (full(),), r"same: column must be a name, got the mask full\(\)"),
        (per_head, (), "at least one mask"),
        (per_head, ("causal",), "per_head: an argument must be a mask, got the name 'causal'"),
        (custom, (3,), "custom: predicate must be a name or a function, got 3"),
    ],
)
def test_arguments_that_a_mask_cannot_take(build, arguments, problem) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MaskArgumentError, match=problem):
        build(*arguments)


LARGE = [2**62, 10**30, 99999999999999999999, 10**5000]


@pytest.mark.parametrize("number", LARGE, ids=["2**62", "10**30", "20 digits", "10**5000"])
@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (window, "window: left"),
        (lambda number: window(0, number), "window: right"),
        (lambda number: dilated(number, 2), "dilated: radius"),
        (lambda number: dilated(2, number), "dilated: step"),
        (strided, "strided: step"),
        (blocks, "blocks: size"),
        (prefix, "prefix: size"),
        (lambda number: near("word", number), "near: distance"),
        (global_tokens, "global_tokens: a token"),
        (queries, "queries: a token"),
        (keys, "keys: a token"),
        (lambda number: random_keys(number, 0), "random_keys: number"),
    ],
)
def test_numbers_beyond_64_bits_are_refused(build: Callable[[int], Mask], argument: str, number: int) -> None:
    with pytest.raises(MaskArgumentError, match=rf"^{argument} must be below 2\*\*62, got (\d{{19,40}}|a number of)"):
        build(number)


@pytest.mark.parametrize("number", LARGE, ids=["2**62", "10**30", "20 digits", "10**5000"])
def test_numbers_far_below_0_are_refused(number: int) -> None:
    with pytest.raises(MaskArgumentError, match=r"a token must be at least -2\*\*62, got (-\d+|a number of about)"):
        global_tokens(-number - 1)
    with pytest.raises(MaskArgumentError, match="window: left must be at least 0, got"):
        window(-number)


def test_the_largest_numbers_can_be_evaluated() -> None:
    most = 2**62 - 1
    everything = [window(most), prefix(most), blocks(most), random_keys(most, 2**31 - 1)]
    nothing = [build(most, -most - 1) for build in (global_tokens, queries, keys)]
    itself = [strided(most), dilated(most, most), dilated(most, most - 1)]
    for masks, count in [(everything, 70 * 70), (nothing, 0), (itself, 70)]:
        for mask in masks:
            assert mask.dense(70).sum() == mask.count(70) == (mask & ~window(0) | mask).count(70) == count, mask
            assert len(mask.key_ranges(range(3, 9), 70)) <= 1
            assert plan(mask, stream := Ragged.from_lengths([70, 3]), stream, 2, kernel="blocks").num_heads == 2
