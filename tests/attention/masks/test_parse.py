from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import Ragged
from finetune.attention.masks import (
    MaskError,
    MaskSyntaxError,
    causal,
    global_tokens,
    mask_names,
    parse,
    per_head,
    prefix,
    random_keys,
    same,
    window,
)
from finetune.attention.masks.base import MAX_DEPTH
from finetune.attention.masks.scope import ExampleFeatures
from finetune.attention.planning import plan


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
        ("causal() and full()", "and", "expected &, |, + or the end, found 'and'; write &"),
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
        (
            "window(99999999999999999999)",
            "99999999999999999999",
            "window: left must be below 2**62, got 99999999999999999999",
        ),
        ("causal() & blocks(4611686018427387904)", "461168", "blocks: size must be below 2**62, got 46116860184273"),
        ("global_tokens(0, -4611686018427387905)", "-46116", "a token must be at least -2**62, got -461168601842738"),
        ("random_keys(3, 2147483648)", "2147483648", "random_keys: seed must be below 2**31, got 2147483648"),
        (f"prefix(1{'0' * 50})", "1000", "prefix: size must be below 2**62, got a number of about 51 digits"),
        ('same("wo\\qrd")', "\\q", "the string is not written as in JSON: Invalid \\escape"),
        ("window(left=1, left=2)", "left", "the argument left is given twice"),
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


def test_a_number_that_python_does_not_read_is_refused_at_its_place() -> None:
    with pytest.raises(MaskSyntaxError, match="a number of 5000 digits is too large") as caught:
        parse(f"causal() | prefix({'9' * 5000})")
    assert caught.value.position == len("causal() | prefix(")


def test_only_the_line_at_fault_is_shown() -> None:
    with pytest.raises(MaskSyntaxError) as caught:
        parse("causal()\n  | widow(3)\n  | full()")
    assert str(caught.value).split("\n")[1:] == ["    | widow(3)", "      ^"]


@pytest.mark.parametrize(
    ("opening", "closing"), [("(", ")"), ("per_head(none(), ", ")"), ("~(full() & window(1) & ", ")"), ("(~", ")")]
)
def test_nesting_beyond_a_limit_is_refused_where_it_begins(opening: str, closing: str) -> None:
    text = opening * 5000 + "causal()" + closing * 5000
    with pytest.raises(MaskSyntaxError, match="the mask is nested too deeply") as caught:
        parse(text)
    assert text[: caught.value.position].count("(") == pytest.approx(MAX_DEPTH * opening.count("("), abs=4)


def test_a_mask_that_operators_nest_too_deeply_is_shown() -> None:
    text = "causal()"
    for level in range(MAX_DEPTH // 2):
        text = f"~({text} & window({level}) | prefix({level}))"
    with pytest.raises(MaskSyntaxError, match="nested too deeply: masks may have 64 levels, this one has 65") as caught:
        parse(text)
    assert 0 < caught.value.position < len(text)


def test_long_texts_are_read_without_recursion() -> None:
    number = 3000
    assert parse("~" * number + "causal()") == causal()
    assert parse("~" * (number + 1) + "causal()") == ~causal()
    alternatives = " | ".join(f"window({n}) & prefix({n})" for n in range(number))
    assert len(parse(alternatives).alternatives()) == number
    heads = parse(f"per_head({', '.join(f'window({n})' for n in range(number))})")
    assert heads.at_head(7, number) == window(7)
    positions = range(20_000)
    assert parse(f"global_tokens({', '.join(map(str, positions))})") == global_tokens(*positions)
    assert parse(str(heads)) == heads


def test_plans_of_long_expressions_are_those_of_short_ones() -> None:
    stream = Ragged.from_lengths([150, 5])
    long = parse(" | ".join(f"window({n % 9}) & prefix({n})" for n in range(1100)))
    for kernel in ("blocks", "whole"):
        planned = plan(long, stream, stream, 2, kernel=kernel)
        assert planned.num_weights == plan(window(8) & prefix(1099), stream, stream, 2, kernel=kernel).num_weights


numbers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**31, 2**53, 2**62, 2**63, 2**64]).flatmap(lambda n: st.integers(n - 2, n + 1)),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}"),
    st.just("9" * 4301),
).map(str)
values = st.one_of(numbers, st.sampled_from(["word", "n", "cls", "none", '"\\ud800"', '"\\q"', "causal()", "size = 3"]))
calls = st.builds(
    "{}({})".format,
    st.sampled_from([*mask_names(), "no_mask"]),
    st.lists(values, max_size=3).map(", ".join),
)
fuzzed = st.recursive(
    calls,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(" | ".join),
        st.tuples(inner, inner).map(" & ".join),
        inner.map("~({})".format),
        st.lists(inner, min_size=1, max_size=3).map(lambda masks: f"per_head({', '.join(masks)})"),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=300)
@given(text=fuzzed | st.text(alphabet='causl()&|~,"= -0123window.\\\n', max_size=20))
def test_whatever_the_text_nothing_but_a_mask_error_comes_out(text: str) -> None:
    with suppress(MaskError):
        mask = parse(text)
        assert parse(str(mask)) == mask
        features: ExampleFeatures = {"word": [0, 1, 1], "n": 2, "is_cls": [1, 0, 0]}
        assert mask.dense(3, num_heads=6, features=features).sum() == mask.count(3, num_heads=6, features=features)
        mask.key_ranges(range(1, 3), 3, num_heads=6)
