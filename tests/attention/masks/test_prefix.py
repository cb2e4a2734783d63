import pytest

from finetune.attention.masks import MissingColumn, causal, prefix
from tests.attention.masks.grid import grid


def test_all_queries_attend_to_the_first_keys() -> None:
    assert grid(prefix(2), 3) == "##. ##. ##."
    assert grid(prefix(9), 2, 3) == "### ###"


def test_each_example_can_have_its_own_size() -> None:
    assert grid(prefix("n"), 3, n=1) == "#.. #.. #.."
    with pytest.raises(MissingColumn, match="example's value 'n'"):
        prefix("n").dense(3)


def test_a_prefix_language_model_sees_the_prefix_from_both_sides() -> None:
    assert grid(causal() | prefix(2), 4) == "##.. ##.. ###. ####"
