"""Nested mappings by dotted keys."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from finetune.dotted_keys import flatten, mapping_or_none

NAMES = st.text(st.characters(exclude_characters=".", codec="ascii"), max_size=3)
TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(NAMES, st.integers(), max_size=3),
    lambda inner: st.dictionaries(NAMES, st.integers() | inner, max_size=3),
    max_leaves=8,
)


def values_by_path(tree: Mapping[str, Any], *names: str) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for name, value in tree.items():
        found |= values_by_path(value, *names, name) if isinstance(value, Mapping) else {(*names, name): value}
    return found


@given(TREES)
def test_every_value_has_the_key_of_its_path_in_order(tree: dict[str, Any]) -> None:
    assert list(flatten(tree).items()) == [(".".join(path), one) for path, one in values_by_path(tree).items()]


def test_names_become_text_and_empty_mappings_leave_nothing() -> None:
    assert flatten({1: {2: "a"}, "b": {}, "c": [{"d": 1}]}) == {"1.2": "a", "c": [{"d": 1}]}


def test_of_equal_keys_the_later_value_is_kept() -> None:
    assert flatten({"a.b": 1, "a": {"b": 2}}) == {"a.b": 2}


def test_what_stays_whole_is_for_the_caller_to_say() -> None:
    tree = {"a": {"b": {"c": 1}}, "d": [{"e": 2}]}
    assert flatten(tree, lambda key, value: None if key == "a.b" else mapping_or_none(key, value)) == {
        "a.b": {"c": 1},
        "d": [{"e": 2}],
    }
    numbered = flatten(tree, lambda _, value: dict(enumerate(value)) if isinstance(value, list) else None)
    assert numbered == {"a": {"b": {"c": 1}}, "d.0": {"e": 2}}
