from finetune.attention.masks import strided
from tests.attention.masks.grid import grid


def test_a_query_attends_to_every_nth_key_and_to_itself() -> None:
    assert grid(strided(2), 4) == "#.#. .#.# #.#. .#.#"
    assert grid(strided(3), 2, 5) == "#..#. .#..#"


def test_a_step_beyond_the_length_leaves_the_query_itself() -> None:
    assert grid(strided(7), 3) == "#.. .#. ..#"
    assert strided(7).count(1000) == strided(7).dense(1000).sum()
