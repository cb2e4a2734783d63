import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.masks import MaskSyntaxError, Span, before, causal, parse, same
from finetune.attention.masks.scope import example_scope
from tests.attention.masks.grid import grid


def test_a_query_attends_to_lower_numbers_and_not_to_its_own() -> None:
    assert grid(before("sentence"), 4, sentence=[0, 0, 1, 2]) == ".... .... ##.. ###."
    assert grid(before("turn"), 3, turn=[2, -1, 0]) == ".## ... .#."


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 2), max_size=10))
def test_together_with_same_it_is_causal_by_sentences(steps: list[int]) -> None:
    sentence = [sum(steps[: at + 1]) for at in range(len(steps))]  # never falls, as numbers of sentences do
    mask = same("sentence") | before("sentence")
    dense = mask.dense(len(steps), features={"sentence": sentence})
    assert dense.equal(causal().dense(len(steps)) | same("sentence").dense(len(steps), features={"sentence": sentence}))


def test_each_side_has_its_own_column_in_cross_attention() -> None:
    dense = before("turn").dense(2, 3, features={"turn": [1, 5]}, key_features={"turn": [5, 0, 1]})
    assert dense[0].tolist() == [[False, True, False], [False, True, True]]


def test_later_numbers_are_out_of_reach_and_earlier_ones_certain() -> None:
    sentence = [number // 10 for number in range(100)]
    assert before("sentence").key_ranges(range(35, 42), 100, features={"sentence": sentence}) == [range(40)]
    assert before("sentence").key_ranges(range(35, 42), 100) == [range(100)]
    scope = example_scope(100, features={"sentence": sentence})
    run, at = Span(torch.tensor(35), torch.tensor(41)), torch.arange(100)
    assert before("sentence").bounds(scope, torch.tensor(0), run, Span(at, at, 0)).certain.nonzero().max() == 29


def test_what_must_be_known_of_the_example() -> None:
    assert before("turn").needs.columns == {"turn"}
    assert parse("~before(turn) & before(column=turn)").needs.columns == set()  # none()
    assert str(before("a b")) == 'before("a b")'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("befor(turn)", "did you mean 'before'"),
        ("before()", r"before: missing a required argument: 'column'; it is written before\(column\)"),
        ("before(3)", "before: column must be a name, got 3"),
        ("before(turn, 2)", "before: too many positional arguments"),
    ],
)
def test_mistakes_are_named(text: str, problem: str) -> None:
    with pytest.raises(MaskSyntaxError, match=problem):
        parse(text)
