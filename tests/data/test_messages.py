"""How mistakes in data are told."""

import pytest

from finetune.data.messages import SHOWN, places, raise_merged, shorten_list
from finetune.errors import UserError, UserErrors


def test_places_show_the_first_few_and_count_the_rest() -> None:
    assert places("a.csv", "line", [7]) == "a.csv, line 7"
    numbers = list(range(1, SHOWN + 1))
    assert places("a.csv", "line", numbers) == "a.csv, lines " + ", ".join(map(str, numbers))
    assert places("a", "row", [*numbers, 9, 10]).endswith(f"{SHOWN} and 2 more (counted from 0)")


def test_long_names_and_lists_are_cut() -> None:
    assert shorten_list(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert shorten_list(["x" * 200]).endswith("...")


def test_one_mistake_of_several_splits_is_told_once() -> None:
    errors = [UserError("same", where="a", fix="do"), UserErrors([UserError("same", where="b", fix="do")])]
    with pytest.raises(UserError) as caught:
        raise_merged(errors)
    assert str(caught.value) == str(UserError("same", where="a; b", fix="do"))


def test_different_mistakes_are_told_together() -> None:
    with pytest.raises(UserErrors) as caught:
        raise_merged([UserError("one", where="a"), UserError("two", where="a")])
    assert len(caught.value.errors) == 2


def test_no_mistakes() -> None:
    raise_merged([])
