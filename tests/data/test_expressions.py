"""Expressions over columns: what Python would say of a row, and nothing else that Python can do."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.dict_rows import rows_from_objects
from finetune.data.expressions import compile_expression
from finetune.data.fields import Field
from finetune.data.filtering import Filter
from finetune.errors import UserError

WORDS = ["a", "b", "row", "len", "(", ")", "[", "]", "==", "<", "in", "not", "and", "or", "+", "%", "-", "'x'", "1"]
WORDS += [",", ".", "lower", "if", "else", ":", "lambda", "{", "}", "None", "0x1", "**", "\\", "\n", "#", "@", "f'{a}'"]
EXPRESSIONS = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=12)
ROWS: list[dict[str, Any]] = [{"a": "x", "b": 1}, {"a": "", "b": None}, {"a": None, "b": 2.5}]


@settings(max_examples=400, deadline=None)
@given(text=EXPRESSIONS)
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    if ":" in text:  # it may name a function of a module
        return
    with contextlib.suppress(UserError):
        keep = Filter.of(text)
        fields = [Field(column, "text", column) for column in keep.columns]
        kept, _ = keep.apply(rows_from_objects("rows", ROWS, fields))
        assert 1 <= len(kept) <= len(ROWS)


def joined(inner: st.SearchStrategy[str], operators: list[str]) -> st.SearchStrategy[str]:
    return st.tuples(inner, st.sampled_from(operators), inner).map(lambda parts: f"({' '.join(parts)})")


NUMBERS = st.recursive(
    st.sampled_from(["a", "b", "2", "-3", "abs(b)", "max(a, b)"]),
    lambda inner: joined(inner, ["+", "-", "*"]),
    max_leaves=5,
)
TRUTHS = st.recursive(
    joined(NUMBERS, ["<", "<=", "==", "!="]), lambda inner: joined(inner, ["and", "or", "and not"]), max_leaves=4
)


@given(TRUTHS, st.integers(-9, 9), st.integers(-9, 9))
def test_the_value_is_that_of_python(text: str, a: int, b: int) -> None:
    values = {"a": a, "b": b}
    expression = compile_expression(f"{text} == (a > b)")
    found = expression.evaluate(*(values[column] for column in expression.columns))
    assert found == eval(f"{text} == (a > b)", {"abs": abs, "max": max} | values)


@pytest.mark.parametrize(
    ("text", "columns", "numbers"),
    [
        ("stars > 3", ["stars"], {"stars"}),
        ("3 < stars <= top", ["stars", "top"], {"stars", "top"}),
        ("stars in [1, -2]", ["stars"], {"stars"}),
        ("stars == '3'", ["stars"], set()),
        ("len(text) > 3", ["text"], set()),
        ("text.count('a') > len", ["text", "len"], set()),
        ("answer.stars + 1 == 2", ["answer.stars"], {"answer.stars"}),
        ("row['#1 String'] < 5", ["#1 String"], {"#1 String"}),
        ("row > 1", ["row"], {"row"}),
        ("b and a and b", ["b", "a"], set()),
    ],
)
def test_columns_are_known_and_those_that_are_compared_with_numbers(
    text: str, columns: list[str], numbers: set[str]
) -> None:
    expression = compile_expression(text)
    assert list(expression.columns) == columns
    assert expression.numbers == numbers


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('os').system('true')", r"system\(\) is none of"),
        ("text.__class__.__mro__[1].__subclasses__()", r"__subclasses__\(\) is none of"),
        ("text.format(1)", r"format\(\) is none of"),
        ("(lambda: text)()", "no place for Lambda|is none of"),
        ("[x for x in text]", "no place for ListComp"),
        ("text ** 9", "no place for Pow"),
        ("f'{text}'", "no place for JoinedStr"),
        ("open(text)", r"open\(\) is none of"),
        ("len(*text)", "no place for Starred"),
        ("min(a, key=b)", "no place for keyword"),
        ("text := 1", "syntax"),
        ("(text)(1)", r"text\(\) is none of"),
        ("getattr(text, 'upper')", r"getattr\(\) is none of"),
        ("text.startwith('a')", r"did you mean startswith\(\)\?"),
        ("lenn(text)", r"did you mean len\(\)\?"),
        ("text[0].upper", "neither a column nor a method of text"),
        ("stars >", "syntax"),
        ("", "syntax"),
        ("1 < 2", "it names no column"),
    ],
)
def test_what_an_expression_may_not_do(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_expression(text)


def test_what_lies_behind_a_value_is_out_of_reach() -> None:
    assert compile_expression("text.__class__").columns == ("text.__class__",), "a column of that name, and no more"


@pytest.mark.parametrize(
    "text", ["not " * 5000 + "a", "-" * 100_000 + "a", "a." + "b." * 50_000 + "c", "a" + "+a" * 100_000, "(" * 5000]
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested too deeply|too many nested"):
        compile_expression(text)
