import datetime
import decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.drafting.profiles import ColumnProfile, Content, profile_columns
from tests.drafting.tables import REVIEWS


def profile(values: list[Any], name: str = "a") -> ColumnProfile:
    return profile_columns({name: values})[name]


@pytest.mark.parametrize(
    ("values", "content"),
    [
        (REVIEWS, "text"),
        (["good", "bad"] * 10, "class"),
        ([0, 1, 1, 0], "class"),
        ([True, False] * 5, "class"),
        (["1.0", "2.0"] * 5, "class"),
        ([n / 3 for n in range(20)], "number"),
        (["1,5", "2,25", "3"] * 4, "number"),
        ([n * n % 91 for n in range(60)], "number"),
        (list(range(20)), "identifier"),
        ([f"https://a.b/{n}" for n in range(20)], "identifier"),
        ([f"2026-01-{n:02}" for n in range(1, 20)], "identifier"),
        ([["a"], ["a", "b"], [], ["b"]] * 3, "label_list"),
        (["['a']", "['a', 'b']", "['b']"] * 3, "label_list"),
        (["a;b", "a", "b;c", "c"] * 3, "label_list"),
        ([[f"w{n}", f"v{n}"] for n in range(9)], "list"),
        ([["O", "O", "B"], ["O", "B", "O"]] * 5, "list"),
        ([{"a": 1}], "list"),
        (["x"] * 9, "nothing"),
        ([None, "", " ", float("nan")], "nothing"),
        ([f"name{n}" for n in range(12)], "name"),
        (["New York, NY", "Boston, MA"] * 6, "class"),
    ],
)
def test_contents(values: list[Any], content: Content) -> None:
    assert profile(values).content == content


def test_names_count_as_well_as_values() -> None:
    assert profile([n % 3 for n in range(30)], "id").content == "identifier"
    assert profile([n % 30 for n in range(90)], "label").content == "class"
    assert profile([n % 30 for n in range(90)], "price").content == "number"
    assert profile([f"w{n}" for n in range(20)], "text").content == "text"


def test_what_is_counted() -> None:
    found = profile(["a;b", "a", "b;c", "c", ""] * 3)
    assert (found.separator, dict(found.counts), found.has_gaps) == (";", {"a": 6, "b": 6, "c": 6}, True)
    assert profile([0, 1] * 5).are_flags
    assert not profile([0, 1, 2] * 5).are_flags
    assert profile(["a", "b"] * 5).described == "'a' (2 values)"
    assert (profile(REVIEWS).described, profile([n / 3 for n in range(9)]).described) == (
        "'a' (texts)",
        "'a' (numbers)",
    )


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3), st.dates(),
    st.decimals(), st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=2), st.floats()), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)  # fmt: skip


@given(st.lists(ODD, max_size=12))
def test_any_values_have_a_profile(values: list[Any]) -> None:
    assert profile(values).content


def test_values_of_parquet() -> None:
    assert profile([decimal.Decimal("1.5"), decimal.Decimal(2)]).content
    assert profile([datetime.datetime(2026, 1, day) for day in range(1, 20)]).content == "identifier"
