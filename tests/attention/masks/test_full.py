from finetune.attention.masks import full, none
from tests.attention.masks.grid import grid


def test_every_pair_and_no_pair() -> None:
    assert grid(full(), 2, 3) == "### ###"
    assert grid(none(), 2, 3) == "... ..."


def test_each_is_the_negation_of_the_other() -> None:
    assert ~full() == none()
    assert ~none() == full()
    assert full().count(3, 4, num_heads=2) == 24
    assert none().count(3, 4, num_heads=2) == 0
