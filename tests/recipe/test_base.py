"""Numbers with a range: what is outside of it is refused with a message that names the range."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from finetune.recipe.base import (
    LARGEST_COUNT,
    Count,
    CountOrZero,
    InnerShare,
    NotNegative,
    Positive,
    Section,
    Seed,
    Share,
    alternatives_of,
    is_amount,
    is_list,
    whole_numbers,
)


class Numbers(Section):
    count: Count = 1
    count_or_zero: CountOrZero = 0
    seed: Seed = 0
    positive: Positive = 1.0
    not_negative: NotNegative = 0.0
    share: Share = 0.0
    inner_share: InnerShare = 0.5
    text: str = ""


RANGES: dict[str, tuple[str, list[Any]]] = {
    "count": ("a whole number from 1 to 2,147,483,647", [0, -1, 2**31, 2**63, 1.5, "few", True, None]),
    "count_or_zero": ("a whole number from 0 to 2,147,483,647", [-1, 2**31, 10**400, [], False]),
    "seed": ("a whole number from 0 to 4,294,967,295", [-1, 2**32]),
    "positive": ("a number above 0, at most 1e+12", [0, -1e-9, 1e13, float("inf"), float("nan"), 10**400, True]),
    "not_negative": ("a number from 0 to 1e+12", [-1e-9, float("inf"), float("nan"), {}]),
    "share": ("a number from 0 on and below 1", [-0.1, 1, float("nan")]),
    "inner_share": ("a number above 0 and below 1", [0, 1, "half"]),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, (_, wrong) in RANGES.items() for value in wrong])
def test_a_number_outside_of_its_range_is_refused_with_the_range(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Numbers.model_validate({key: value})
    assert [detail["msg"] for detail in caught.value.errors()] == [RANGES[key][0]]


@given(st.integers(1, LARGEST_COUNT), st.floats(1e-300, 1e12), st.floats(0, 1, exclude_max=True))
def test_a_number_inside_of_its_range_is_kept(count: int, positive: float, share: float) -> None:
    numbers = Numbers(count=count, positive=positive, share=share)
    assert (numbers.count, numbers.positive, numbers.share) == (count, positive, share)


def test_a_whole_float_is_a_whole_number() -> None:
    count = Numbers.model_validate({"count": 1e3}).count
    assert (count, type(count)) == (1000, int)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.5, True),
        (1.0, True),
        (7, True),
        (0, False),
        (-0.5, False),
        (1.5, False),
        (float("inf"), False),
        (2**31, False),
    ],
)
def test_an_amount_is_a_share_or_a_whole_number(number: float, expected: bool) -> None:
    assert is_amount(number) is expected


def test_a_section_is_closed_and_immutable_and_takes_numbers_for_texts() -> None:
    assert Numbers.model_validate({"text": 1}).text == "1"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Numbers.model_validate({"cuont": 1})
    with pytest.raises(ValidationError, match="frozen"):
        Numbers().count = 2  # type: ignore[misc]


def test_the_types_that_a_type_allows() -> None:
    assert list(alternatives_of(str | tuple[int, ...] | None)) == [str, tuple[int, ...]]
    assert list(alternatives_of(Annotated[int | None, 3])) == [int]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(tuple[str, ...], True), (list[int] | None, True), (str | tuple[str, ...], False), (dict[str, str], False)],
)
def test_lists_are_told_from_other_types(annotation: object, expected: bool) -> None:
    assert is_list(annotation) == expected


class Sample(Section):
    """A section with a list and a path."""

    words: tuple[str, ...] | None = None
    """Words."""
    folder: Path = Path()
    """A folder."""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a", ("a",)),
        (3, ("3",)),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ((word for word in "ab"), ("a", "b")),
        (None, None),
        ([], ()),
    ],
)
def test_one_value_is_a_list_of_one(given: object, words: object) -> None:
    assert Sample.model_validate({"words": given}).words == words


@pytest.mark.parametrize("given", ["", " ", [[]], {"a": 1}])
def test_what_is_no_list(given: object) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"words": given})


def test_a_path_may_be_a_number() -> None:
    assert Sample.model_validate({"folder": 2026}).folder == Path("2026")
    for wrong in (True, 1.5):
        with pytest.raises(ValidationError):
            Sample.model_validate({"folder": wrong})


def test_a_range_names_itself() -> None:
    assert whole_numbers(1, 2000).expected == "a whole number from 1 to 2,000"
