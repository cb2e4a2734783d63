from finetune.attention.masks import window
from tests.attention.masks.grid import grid


def test_a_query_attends_to_its_neighbours() -> None:
    assert grid(window(1), 4) == "##.. ###. .### ..##"
    assert grid(window(2, 0), 4) == "#... ##.. ###. .###"
    assert grid(window(0, 1), 3) == "##. .## ..#"


def test_one_number_stands_for_both_sides() -> None:
    assert window(2) == window(2, 2)
    assert str(window(2, 2)) == "window(2)"
    assert str(window(2, 0)) == "window(2, 0)"


def test_positions_are_compared_across_sides() -> None:
    assert grid(window(1), 2, 4) == "##.. ###."
    assert window(3, 1).count(500, 20) == window(3, 1).dense(500, 20).sum()
