import pytest
import torch

from finetune.attention.masks import MaskArgumentError, MissingColumn, Span
from finetune.attention.masks.named_tokens import (
    among_bounds,
    check_tokens,
    is_among,
    mark_column,
    needs_of,
    positions_in,
)
from finetune.attention.masks.scope import example_scope

SIDE = example_scope(4, features={"is_sep": [0, 2, 0, 1]}).queries
EXAMPLE = torch.zeros((), dtype=torch.int64)


def test_tokens_are_found_by_position_from_both_ends_and_by_their_mark() -> None:
    positions = torch.arange(4)
    assert is_among((0, -2), SIDE, EXAMPLE, positions).tolist() == [True, False, True, False]
    assert is_among(("sep", 0), SIDE, EXAMPLE, positions).tolist() == [True, True, False, True]
    assert not is_among((9, -9), SIDE, EXAMPLE, positions).any()
    with pytest.raises(MissingColumn, match="'is_cls'"):
        is_among(("cls",), SIDE, EXAMPLE, positions)


def test_bounds_are_those_of_runs() -> None:
    runs = Span(torch.tensor([0, 1, 2]), torch.tensor([0, 2, 3]))
    bounds = among_bounds(("sep",), SIDE, EXAMPLE, runs)
    assert (bounds.possible.tolist(), bounds.certain.tolist()) == ([False, True, True], [False, False, False])
    unknown = among_bounds(("cls",), SIDE, EXAMPLE, runs)
    assert (unknown.possible.tolist(), unknown.certain.tolist()) == ([True] * 3, [False] * 3)


def test_positions_in_an_example_are_counted_once() -> None:
    assert positions_in((0, -4, 3, 9, -9), 4) == {0, 3}
    assert positions_in((0, "cls"), 4) is None


def test_what_must_be_known_of_the_example() -> None:
    assert mark_column("cls") == "is_cls"
    assert needs_of((0, "cls")).columns == {"is_cls"}
    assert not needs_of((0, "cls")).length
    assert needs_of((0, -1)).length


def test_arguments_that_name_no_token_are_refused_under_the_name_of_the_mask() -> None:
    assert check_tokens("keys", (0, "cls", 0)) == (0, "cls")
    with pytest.raises(MaskArgumentError, match=r"^keys needs at least one position or name of a special token"):
        check_tokens("keys", ())
    with pytest.raises(MaskArgumentError, match=r"^keys: a token must be a whole number, got 0\.5"):
        check_tokens("keys", (0.5,))  # type: ignore[arg-type]
