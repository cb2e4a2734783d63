from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.masks import (
    MaskSyntaxError,
    causal,
    global_tokens,
    parse,
    per_head,
    prefix,
    random_keys,
    same,
    window,
)


def test_not_binds_tightest_then_and_then_or() -> None:
    assert parse("~causal() & window(1) | full() & same(word)") == (~causal() & window(1)) | same("word")
    assert parse("causal() | window(1) & prefix(2)") == causal() | (window(1) & prefix(2))
    assert parse("(causal() | window(1)) & prefix(2)") == (causal() | window(1)) & prefix(2)
    assert parse("~(prefix(2) & none() | same(a))") == ~same("a")


def test_parentheses_stand_only_where_they_are_needed() -> None:
    for text in ["(causal() | window(1)) & ~same(a)", "~(causal() | window(1))", "~causal() | window(1) & same(a)"]:
        assert str(parse(text)) == text
    assert str(parse("((causal()) | ((window(1) & (full()))))")) == "causal() | window(1)"


def test_arguments() -> None:
    assert parse("window(2, 3)") == parse("window( left = 2,right=3 )") == window(2, 3)
    assert parse("global_tokens(0, -1, cls)") == global_tokens(0, -1, "cls")
    assert parse("random_keys(seed=5, number=3)") == random_keys(3, 5)
    assert parse("per_head(causal(), ~full() | window(1), (prefix(n)))") == per_head(causal(), window(1), prefix("n"))
    assert parse(" causal ( )\n | window(1)\n") == causal() | window(1)


@settings(deadline=None, max_examples=100)
@given(name=st.text(min_size=1, max_size=8) | st.text(alphabet="a·℘_1ª", min_size=1, max_size=4))
def test_any_column_name_can_be_written(name: str) -> None:
    mask = same(name) & ~global_tokens(name, 0) | prefix(name)
    assert parse(str(mask)) == mask


@settings(deadline=None, max_examples=100)
@given(text=st.text(alphabet='causl()&|~,"= -0123window.\n', max_size=20))
def test_any_text_gives_a_mask_or_a_syntax_error(text: str) -> None:
    with suppress(MaskSyntaxError):
        assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "at", "problem"),
    [
        ("widnow(3)", "widnow", "there is no mask named 'widnow'; did you mean 'window'?"),
        ("causal() | glbal_tokens(0)", "glbal", "did you mean 'global_tokens'?"),
        ("xyzzy()", "xyzzy", "there is no mask named 'xyzzy'"),
        ("causal() and full()", "and", "expected & or | or the end, found 'and'; write &"),
        ("causal() or full()", "or", "write |"),
        ("not causal()", "not", "write ~"),
        ("causal() & !full()", "!", "expected a mask, found '!'; write ~"),
        ("causal() - full()", "- ", "write & ~"),
        ("causal", "", "expected ( after causal: a mask is written with parentheses, as in causal()"),
        ("per_head(causal & full())", "& full", "expected ( after causal"),
        ("", "", "expected a mask, the text ends"),
        ("causal() |", "", "expected a mask, the text ends"),
        ("(causal()", "", "expected ), the text ends"),
        ("causal())", ")", "found ')'"),
        ("window(3", "", "expected , or ) after an argument of window, the text ends"),
        ("window(3 4)", "4", "expected , or ) after an argument of window, found '4'"),
        ('same("word)', '"', "found '\"'"),
        ("window()", "window", "missing a required argument: 'left'; it is written window(left, right=None)"),
        ("window(1, 2, 3)", "window", "too many positional arguments"),
        ("window(1, wide=3)", "window", "unexpected keyword argument 'wide'"),
        (
            "full() & window(2, -1)",
            "-1",
            "window: right must be at least 0, got -1; it is written window(left, right=None)",
        ),
        ("window(2.5)", "2.5", "window: left must be a whole number, got 2.5"),
        ("window(wide)", "wide", "window: left must be a whole number, got the name 'wide'"),
        ("window(full())", "full", "window: left must be a whole number, got the mask full()"),
        ("window(1, left=2)", "window", "multiple values for argument 'left'"),
        ("same(3)", "3", "same: column must be a name, got 3"),
        ("per_head(causal(), 7)", "7", "per_head: an argument must be a mask, got 7; it is written per_head(*masks)"),
        ("per_head()", "per_head", "per_head needs at least one mask"),
        ("global_tokens()", "global", "at least one position or name"),
        ("custom(evry_third)", "evry", "no predicate is registered as 'evry_third'"),
    ],
)
def test_an_error_points_at_its_place(text: str, at: str, problem: str) -> None:
    with pytest.raises(MaskSyntaxError) as caught:
        parse(text)
    message, line, caret = str(caught.value).split("\n")
    assert problem in message
    assert line == f"  {text}"
    position = text.rindex(at) if at else len(text)
    assert caret == f"  {' ' * position}^"
    assert caught.value.position == position
    assert isinstance(caught.value, ValueError)


def test_only_the_line_at_fault_is_shown() -> None:
    with pytest.raises(MaskSyntaxError) as caught:
        parse("causal()\n  | widow(3)\n  | full()")
    assert str(caught.value).split("\n")[1:] == ["    | widow(3)", "      ^"]


def test_nesting_beyond_all_measure_is_refused() -> None:
    with pytest.raises(MaskSyntaxError, match="nested too deeply"):
        parse("(" * 5000 + "causal()" + ")" * 5000)
