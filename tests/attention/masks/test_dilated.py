import torch

from finetune.attention.masks import Span, dilated
from finetune.attention.masks.dilated import holds_multiple, only_multiples
from tests.attention.masks.grid import grid


def test_a_window_has_gaps() -> None:
    assert grid(dilated(2, 2), 6) == "#.#... .#.#.. #.#.#. .#.#.# ..#.#. ...#.#"
    assert dilated(5, 1).count(20) == dilated(5, 1).dense(20).sum()


def test_a_radius_below_the_step_leaves_the_query_itself() -> None:
    assert grid(dilated(2, 3), 3) == "#.. .#. ..#"


def test_multiples_in_a_run() -> None:
    first, last = torch.tensor([1, 4, 5, -3]), torch.tensor([3, 8, 3, 0])
    assert holds_multiple(Span(first, last), 4).tolist() == [False, True, False, True]
    assert only_multiples(Span(first, last), 4).tolist() == [False] * 4
    even = Span(torch.tensor([2, 4]), torch.tensor([10, 12]), 4)
    assert holds_multiple(even, 4).tolist() == [False, True]
    assert only_multiples(even, 4).tolist() == [False, True]
