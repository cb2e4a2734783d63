"""Whatever stands in data.filter, it is an expression over columns or refused."""

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
def test_any_text(text: str) -> None:
    if ":" in text:  # it may name a function of a module
        return
    with contextlib.suppress(UserError):
        keep = Filter.of(text)
        fields = [Field(column, "text", column) for column in keep.columns]
        kept, _ = keep.apply(rows_from_objects("rows", ROWS, fields))
        assert 1 <= len(kept) <= len(ROWS)


@pytest.mark.parametrize(
    "text", ["not " * 5000 + "a", "-" * 100_000 + "a", "a." + "b." * 50_000 + "c", "a" + "+a" * 100_000, "(" * 5000]
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested too deeply|too many nested"):
        compile_expression(text)
