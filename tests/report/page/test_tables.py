"""Numbers and names as the cells of a report show them."""

import math
from typing import Any

import pytest

from finetune.report.page.tables import interval, is_number, number, shortened, with_letter


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "0.5", True, [0.5]])
def test_what_is_no_finite_number_is_not_defined(value: Any) -> None:
    assert number("f1", value) == "not defined"
    assert not is_number(value)


def test_numbers_have_the_decimals_of_the_other_tables() -> None:
    assert (number("f1", 0.5), number("bleu", 31.456), number("loss", 2.5)) == ("0.5000", "31.46", "2.5000")


@pytest.mark.parametrize("bounds", [None, [], [0.5], [0.1, math.nan], [None, 0.2], "ab"])
def test_what_is_no_interval_is_not_defined(bounds: Any) -> None:
    assert interval("f1", bounds) == "not defined"


def test_an_interval_has_both_bounds() -> None:
    assert interval("f1", [0.25, 0.5]) == "0.2500 to 0.5000"


def test_long_names_are_shortened_and_columns_named() -> None:
    assert shortened("a" * 100) == "a" * 77 + "..."
    assert shortened("a" * 80) == "a" * 80
    assert (with_letter("f1", "B", 1), with_letter("f1", "B", 2), with_letter("", "B", 2)) == ("f1", "f1 B", "B")
