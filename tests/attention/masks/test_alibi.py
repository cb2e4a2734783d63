"""Slopes of ALiBi for any number of heads, and its argument."""

import pytest

from finetune.attention.layout import dense_scores
from finetune.attention.masks import MaskArgumentError, MaskError, alibi, parse
from finetune.attention.masks.alibi import slopes
from tests.attention.score_terms import PAPER


def geometric(first: float, count: int) -> list[float]:
    return [first**number for number in range(1, count + 1)]


@pytest.mark.parametrize("num_heads", [1, 2, 4, 8, 16, 32])
def test_a_power_of_two_has_a_geometric_sequence_that_ends_at_the_same_slope(num_heads: int) -> None:
    found = slopes(num_heads)
    assert found == pytest.approx(geometric(2 ** (-8 / num_heads), num_heads))
    assert found[-1] == 2**-8


def test_the_paper_names_the_slopes_of_8_and_16_heads() -> None:
    assert slopes(8) == tuple(2**-number for number in range(1, 9))
    assert slopes(16)[:3] == pytest.approx((2**-0.5, 2**-1, 2**-1.5))
    assert all(slopes(number) == tuple(expected) for number, expected in PAPER.items())


@pytest.mark.parametrize("num_heads", [3, 5, 6, 7, 12, 20, 25])
def test_other_numbers_add_every_second_slope_of_the_next_power_of_two(num_heads: int) -> None:
    below = 2 ** (num_heads.bit_length() - 1)
    found = slopes(num_heads)
    assert found[:below] == slopes(below)
    assert found[below:] == slopes(2 * below)[0::2][: num_heads - below]
    assert len(set(found)) == num_heads


def test_the_score_falls_with_the_distance_in_both_directions() -> None:
    scores = dense_scores(alibi(), 6, num_heads=2)
    assert scores[0, 2].tolist() == [-2 / 16, -1 / 16, 0, -1 / 16, -2 / 16, -3 / 16]
    assert dense_scores(alibi(2.5), 6, num_heads=2).equal(2.5 * scores)


def test_the_scale_is_a_number_above_0() -> None:
    assert str(alibi(1)) == "full() + alibi()"
    assert str(alibi(2)) == "full() + alibi(2.0)"
    assert parse("alibi(scale=0.5)") == alibi(0.5)
    for wrong in (0, -1, True, "1", float("nan"), float("inf"), 10_001):
        with pytest.raises(MaskArgumentError, match="alibi: scale must"):
            alibi(wrong)  # type: ignore[arg-type]


def test_cross_attention_is_refused() -> None:
    with pytest.raises(MaskError, match=r"alibi\(\) is not defined in cross-attention"):
        dense_scores(alibi(), 3, 4)
