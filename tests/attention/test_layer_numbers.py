import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention import ProgramError
from finetune.attention.layer_numbers import check_layers, layer_numbers


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("3", [3]),
        ("-1", [11]),
        ("0-3", [0, 1, 2, 3]),
        ("-4--1", [8, 9, 10, 11]),
        ("0,2, 4", [0, 2, 4]),
        ("0-11/3", [0, 3, 6, 9]),
        ("0-10/3", [0, 3, 6, 9]),
        ("1--1/4", [1, 5, 9]),
        (" 2 - 5 / 2 , -1", [2, 4, 11]),
        ("0-11/100", [0]),
        ("4-4/2", [4]),
        ("0-3/1", [0, 1, 2, 3]),
    ],
)
def test_a_text_names_layers(text: str, layers: list[int]) -> None:
    check_layers(text)
    assert layer_numbers(text, 12) == layers


@settings(deadline=None, max_examples=100)
@given(
    bounds=st.tuples(st.integers(0, 11), st.integers(0, 11)).map(sorted), step=st.integers(1, 14), ahead=st.booleans()
)
def test_a_range_with_a_step_is_a_slice_of_all_layers(bounds: list[int], step: int, ahead: bool) -> None:
    first, last = bounds
    text = f"{first}-{last}/{step}" if ahead else f"{first - 12}-{last - 12}/{step}"
    assert layer_numbers(text, 12) == list(range(12))[first : last + 1 : step]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("first", "'first' does not name layers; write 3, 0-3, -1, 0,2,4, or 0-11/3 for every third"),
        ("0-11/0", "'0-11/0' has a step of 0: the step of a range of layers is at least 1, as in 0-11/3"),
        ("3/2", "'3/2' does not name layers: a step is a number after a range, as in 0-11/3 for layers 0, 3, 6, 9"),
        ("1,0-11/", "'1,0-11/' does not name layers: a step is a number after a range"),
        ("0-11/-3", "'0-11/-3' does not name layers: a step is a number after a range"),
        ("0-11/3/2", "'0-11/3/2' does not name layers: a step is a number after a range"),
        ("0:12:3", "'0:12:3' does not name layers; write 3, 0-3"),
        (f"0-11/{'9' * 5000}", "does not name layers: a step is a number after a range"),
    ],
)
def test_a_text_that_names_no_layers_in_any_model(text: str, problem: str) -> None:
    with pytest.raises(ProgramError) as caught:
        check_layers(text)
    assert problem in str(caught.value)
    with pytest.raises(ProgramError) as caught:
        layer_numbers(text, 12)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0-12/3", "'0-12/3' names layer 12, but there are 12 layers, counted from 0"),
        ("5-2/3", "'5-2/3' names no layer: 5 comes after 2 in a model of 12 layers"),
    ],
)
def test_a_range_that_the_model_does_not_have(text: str, problem: str) -> None:
    with pytest.raises(ProgramError) as caught:
        layer_numbers(text, 12)
    assert problem in str(caught.value)
