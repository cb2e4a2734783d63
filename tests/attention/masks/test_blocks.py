from finetune.attention.masks import blocks
from tests.attention.masks.grid import grid


def test_a_query_attends_to_its_own_block() -> None:
    assert grid(blocks(2), 5) == "##... ##... ..##. ..##. ....#"
    assert grid(blocks(9), 2) == "## ##"


def test_blocks_count_from_0_on_both_sides() -> None:
    assert grid(blocks(2), 3, 5) == "##... ##... ..##."
    assert blocks(3).count(7, 5) == blocks(3).dense(7, 5).sum() == 9 + 3 * 2
