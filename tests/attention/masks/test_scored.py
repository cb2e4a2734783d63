"""Masks with score terms: their text, equality, and what is refused."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.attention.masks import (
    Mask,
    MaskError,
    MaskSyntaxError,
    Needs,
    alibi,
    bias,
    causal,
    full,
    global_tokens,
    parse,
    per_head,
    window,
)
from finetune.attention.masks.base import MAX_DEPTH
from finetune.attention.masks.scored import ScoredMask
from tests.attention.expressions import Example, examples
from tests.attention.score_terms import scored_texts


@given(st.data())
def test_text_is_parsed_to_an_equal_mask(data: st.DataObject) -> None:
    mask = parse(data.draw(scored_texts(in_cross=False)))
    assert parse(str(mask)) == mask
    assert str(parse(str(mask))) == str(mask)
    assert hash(parse(str(mask))) == hash(mask)


@given(st.data(), examples())
def test_who_may_attend_to_whom_is_what_the_mask_without_terms_says(data: st.DataObject, example: Example) -> None:
    mask = parse(data.draw(scored_texts(in_cross=example.key_length is not None)))
    assert mask.boolean.terms == ()
    assert mask.dense(**example.arguments).equal(mask.boolean.dense(**example.arguments))
    assert mask.count(**example.arguments) == mask.boolean.count(**example.arguments)
    queries = range(example.query_length)
    reached = mask.key_ranges(queries, **example.arguments)
    assert reached == mask.boolean.key_ranges(queries, **example.arguments)


def test_python_and_text_build_the_same_sum() -> None:
    built = (window(2) | global_tokens(0)) + alibi() + bias("word", 0.5)
    assert built == parse("(window(2) | global_tokens(0)) + alibi() + bias(word, 0.5)")
    assert str(built) == "(window(2) | global_tokens(0)) + alibi() + bias(word, 0.5)"
    assert isinstance(built, ScoredMask)
    assert str(~causal() + alibi()) == "~causal() + alibi()"


def test_a_term_alone_is_added_to_full() -> None:
    assert alibi() == full() + alibi() == alibi() + full() == parse("alibi()") == parse("full() + alibi()")
    assert str(alibi()) == "full() + alibi()"
    assert alibi() + bias("word", 1) == bias("word", 1) + alibi(), "the order of terms does not matter"
    assert alibi() != alibi() + alibi()
    assert alibi() != full()
    assert parse("alibi() + causal() + alibi()") == causal() + alibi() + alibi()


def test_needs_are_those_of_mask_and_terms() -> None:
    assert (global_tokens("cls") + bias("word", 1) + alibi()).needs == Needs(columns=frozenset({"is_cls", "word"}))
    assert (per_head(full(), causal()) + alibi()).needs == Needs(by_head=True, heads=2)


def test_the_mask_of_one_head_keeps_the_terms() -> None:
    mask = per_head(causal(), window(2)) + alibi()
    assert mask.at_head(1, 2) == window(2) + alibi()
    assert mask.with_boolean(full()) == alibi()
    assert causal().with_boolean(full()) == full()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("window(2) | global_tokens(0) + alibi()", "write (window(2) | global_tokens(0)) + alibi()"),
        ("alibi() & window(2)", "& joins masks, but alibi() adds to the scores; write window(2) + alibi()"),
        ("alibi() | bias(word, 1)", "write full() + alibi() + bias(word, 1.0)"),
        ("~alibi()", "~ is the opposite of a mask, but alibi() adds to the scores"),
        ("~(causal() + alibi())", "~ is the opposite of a mask, but alibi() adds to the scores"),
        ("per_head(causal() + alibi(), full())", "per_head takes masks, but alibi() adds to the scores"),
        ("causal() + window(2)", "+ adds scores to a mask, but causal() and window(2) are both masks; write & for and"),
        ("causal() + alibi() + window(2)", "join them by & or |, as in (causal() & window(2)) + alibi()"),
        ("causal() + 3", "expected a mask, found '3'"),
        ("full() + alib()", "there is no mask named 'alib'; did you mean 'alibi'?"),
    ],
)
def test_what_has_no_meaning_is_refused_with_the_way_to_write_it(text: str, problem: str) -> None:
    with pytest.raises(MaskSyntaxError) as caught:
        parse(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: alibi() & causal(),
        lambda: causal() | alibi(),
        lambda: ~alibi(),
        lambda: causal() + full(),
        lambda: per_head(alibi(), full()),
    ],
)
def test_python_refuses_the_same(build: Callable[[], Mask]) -> None:
    with pytest.raises(MaskError):
        build()


def test_a_number_is_no_mask() -> None:
    with pytest.raises(TypeError):
        alibi() + 3  # type: ignore[operator]


def test_a_sum_is_a_level_of_the_expression() -> None:
    mask = window(1)
    for number in range(MAX_DEPTH - 1):
        mask = mask & window(number + 2) if number % 2 else mask | window(number + 2)
    assert mask.depth == MAX_DEPTH
    with pytest.raises(MaskError, match="nested too deeply"):
        mask + alibi()
