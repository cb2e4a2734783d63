import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.masks import MaskSyntaxError, MissingColumn, global_tokens, keys, parse, queries
from tests.attention.expressions import Example, examples, tokens
from tests.attention.masks.grid import grid


def test_a_query_attends_to_all_and_a_key_is_attended_to_by_all() -> None:
    assert grid(queries(1), 3) == "... ### ..."
    assert grid(keys(1), 3) == ".#. .#. .#."
    assert grid(~keys("sep"), 3, is_sep=[0, 0, 1]) == "##. ##. ##."


def test_positions_from_the_end_are_those_of_the_mask_s_own_side() -> None:
    assert grid(queries(-1), 2, 4) == ".... ####"
    assert grid(keys(-1), 2, 4) == "...# ...#"


def test_each_side_has_its_own_marks_in_cross_attention() -> None:
    target, source = {"is_sep": [0, 1]}, {"is_sep": [1, 0, 0]}
    dense = queries("sep").dense(2, 3, features=target, key_features=source)[0]
    assert dense.int().tolist() == [[0, 0, 0], [1, 1, 1]]
    dense = keys("sep").dense(2, 3, features=target, key_features=source)[0]
    assert dense.int().tolist() == [[1, 0, 0], [1, 0, 0]]


def test_only_the_side_that_is_named_is_read() -> None:
    source = {"is_sep": [1, 0, 0]}
    assert keys("sep").dense(2, 3, key_features=source).sum() == 2
    with pytest.raises(MissingColumn, match="is_sep"):
        queries("sep").dense(2, 3, key_features=source)


@settings(deadline=None, max_examples=100)
@given(named=st.lists(tokens, min_size=1, max_size=3), example=examples())
def test_both_sides_together_are_global_tokens(named: list[int | str], example: Example) -> None:
    both = queries(*named) | keys(*named)
    assert both.dense(**example.arguments).equal(global_tokens(*named).dense(**example.arguments))
    assert both.count(**example.arguments) == global_tokens(*named).count(**example.arguments)


def test_counts_of_positions_need_no_square() -> None:
    assert queries(0, -1, 5).count(10**12) == 3 * 10**12
    assert keys(0, -1, 5).count(4, 3) == 8


def test_what_must_be_known_of_the_example() -> None:
    for build in (queries, keys):
        assert build("cls", -1).needs.columns == {"is_cls"}
        assert build(0, -1).needs.length
        assert not build(0, "cls").needs.length


def test_a_token_that_is_named_twice_is_one() -> None:
    assert queries(0, 0, "cls", "cls") == queries(0, "cls")
    assert str(keys("sep", -1)) == "keys(sep, -1)"
    assert parse("~keys(sep) & queries(0, -1)") == ~keys("sep") & queries(0, -1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("key(sep)", "there is no mask named 'key'; did you mean 'keys'"),
        ("query(sep)", "there is no mask named 'query'; did you mean 'queries'"),
        ("keys()", r"keys needs at least one position or name of a special token; it is written keys\(\*tokens\)"),
        ("queries(0.5)", r"queries: a token must be a whole number, got 0\.5"),
        ("queries(full())", r"queries: a token must be a whole number, got the mask full\(\)"),
    ],
)
def test_mistakes_are_named(text: str, problem: str) -> None:
    with pytest.raises(MaskSyntaxError, match=problem):
        parse(text)
