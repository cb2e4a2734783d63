import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.masks import (
    MaskError,
    MissingColumn,
    Span,
    full,
    global_tokens,
    prefix,
    same,
)
from finetune.attention.masks.scope import example_scope

properties = settings(deadline=None, max_examples=100)


def test_missing_columns_are_named_with_what_there_is() -> None:
    with pytest.raises(MissingColumn, match=r"token column 'segmnt'.*there are segment; did you mean 'segment'"):
        same("segmnt").dense(2, features={"segment": [0, 1]})
    with pytest.raises(MissingColumn, match=r"example's value 'n', which is not given; there are none"):
        prefix("n").dense(2)
    with pytest.raises(MissingColumn, match="is_cls"):
        global_tokens("cls").dense(2, 3, features={"is_cls": [1, 0]})


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"query_length": -1}, "a length cannot be negative, got -1"),
        ({"query_length": 2, "features": {"word": [1]}}, r"column 'word' has shape \[1\], but there are 2 tokens"),
        ({"query_length": 1, "features": {"word": [0.5]}}, "column 'word' must hold integers, got torch.float32"),
        ({"query_length": 1, "key_features": {}}, "give key_length too"),
    ],
)
def test_examples_that_do_not_fit(arguments: dict[str, object], problem: str) -> None:
    with pytest.raises(MaskError, match=problem):
        full().dense(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [[2**63, 0], [-(2**64), 0], ["one", "two"], [[1], [2, 3]], [None, 1]])
def test_columns_of_anything_but_integers_of_64_bits_are_refused(given: list[object]) -> None:
    with pytest.raises(MaskError, match="column 'word' must hold integers"):
        same("word").dense(2, features={"word": given})  # type: ignore[dict-item]


@properties
@given(column=st.lists(st.integers(-9, 9), min_size=1, max_size=20), data=st.data())
def test_ranges_of_a_column_are_the_least_and_greatest_value_of_a_run(column: list[int], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(column) - 1))
    last = data.draw(st.integers(first, len(column) - 1))
    scope = example_scope(len(column), features={"word": column})
    found = scope.query_feature_range("word", Span(torch.tensor(first), torch.tensor(last)))
    assert found is not None
    assert (int(found.first), int(found.last)) == (min(column[first : last + 1]), max(column[first : last + 1]))
    assert scope.key_feature_range("other", Span(torch.tensor(first), torch.tensor(last))) is None
