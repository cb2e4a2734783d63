from finetune.attention.masks import causal
from tests.attention.masks.grid import grid


def test_a_query_attends_to_itself_and_to_keys_before_it() -> None:
    assert grid(causal(), 4) == "#... ##.. ###. ####"


def test_positions_are_compared_across_sides() -> None:
    assert grid(causal(), 2, 4) == "#... ##.."
    assert grid(causal(), 4, 2) == "#. ## ## ##"
    assert causal().count(4, 2) == 7
