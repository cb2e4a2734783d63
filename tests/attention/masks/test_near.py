import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.masks import MaskSyntaxError, Span, near, parse, same
from finetune.attention.masks.scope import example_scope
from tests.attention.expressions import Example, examples
from tests.attention.masks.grid import grid

int64 = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3), st.sampled_from([-(2**63), 2**63 - 1]))


def test_a_query_attends_to_neighbouring_numbers() -> None:
    assert grid(near("sentence", 1), 4, sentence=[0, 1, 2, 5]) == "##.. ###. .##. ...#"
    assert grid(near("sentence", 1), 3, sentence=[-1, 0, 1]) == "##. ### .##"


def test_each_side_has_its_own_column_in_cross_attention() -> None:
    dense = near("turn", 2).dense(2, 3, features={"turn": [1, 5]}, key_features={"turn": [5, 3, 0]})
    assert dense[0].tolist() == [[False, True, True], [True, True, False]]


def test_keys_with_distant_numbers_are_out_of_reach() -> None:
    sentence = [number // 10 for number in range(100)]
    mask = near("sentence", 1)
    assert mask.key_ranges(range(35, 42), 100, features={"sentence": sentence}) == [range(20, 60)]
    assert mask.key_ranges(range(35, 42), 100) == [range(100)]


def test_a_run_near_to_all_its_keys_is_certain() -> None:
    scope = example_scope(6, features={"sentence": [0, 0, 1, 1, 2, 2]})
    runs = Span(torch.tensor([0, 2, 4]), torch.tensor([1, 3, 5]))
    bounds = near("sentence", 1).bounds(scope, torch.tensor(0), Span(runs.first[:, None], runs.last[:, None]), runs)
    assert bounds.possible.equal(bounds.certain)
    assert bounds.certain.int().tolist() == [[1, 1, 0], [1, 1, 1], [0, 1, 1]]


@settings(deadline=None, max_examples=200)
@given(column=st.lists(int64, min_size=1, max_size=5), distance=st.one_of(st.integers(0, 2**62 - 1), st.just(1)))
def test_numbers_at_the_ends_of_64_bits_do_not_wrap_around(column: list[int], distance: int) -> None:
    mask = near("turn", distance)
    dense = mask.dense(len(column), features={"turn": column})[0]
    assert dense.tolist() == [[abs(q - k) <= distance for k in column] for q in column]
    assert mask.count(len(column), features={"turn": column}) == dense.sum()
    scope, at = example_scope(len(column), features={"turn": column}), torch.arange(len(column))
    bounds = mask.bounds(scope, torch.tensor(0), Span(at[:, None], at[:, None], 0), Span(at, at, 0))
    assert bounds.possible.equal(dense)
    assert bounds.certain.equal(dense)


@settings(deadline=None, max_examples=50)
@given(example=examples())
def test_a_distance_of_0_is_the_same_number(example: Example) -> None:
    assert near("word", 0).dense(**example.arguments).equal(same("word").dense(**example.arguments))


def test_what_must_be_known_of_the_example() -> None:
    assert near("turn", 3).needs.columns == {"turn"}
    assert not near("turn", 3).needs.length
    assert parse("near(column=turn, distance=3)") == near("turn", 3)
    assert str(near("a b", 0)) == 'near("a b", 0)'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("naer(turn, 1)", "did you mean 'near'"),
        ("near(turn)", r"near: missing a required argument: 'distance'; it is written near\(column, distance\)"),
        ("near(turn, -1)", "near: distance must be at least 0, got -1"),
        ("near(turn, 1.5)", r"near: distance must be a whole number, got 1\.5"),
        ("near(1, turn)", "near: column must be a name, got 1"),
    ],
)
def test_mistakes_are_named(text: str, problem: str) -> None:
    with pytest.raises(MaskSyntaxError, match=problem):
        parse(text)
