"""JSON that is parsed one value at a time is the JSON that is parsed as a whole."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.files import json_stream
from finetune.data.files.json_stream import BrokenJson, JsonStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def parse(text: str, longest: int | None = None) -> list[Any]:
    return list(JsonStream(io.StringIO(text), longest))


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 0, 2]), st.integers(1, 20))
def test_items_come_back_whatever_the_chunks(values: list[Any], indent: int | None, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        assert parse(f" {json.dumps(values, indent=indent)}\n") == values
        assert parse("\n".join(json.dumps({"a": value}) for value in values)) == [{"a": value} for value in values]


@pytest.mark.parametrize("chunk", range(1, 8))
def test_numbers_may_be_cut_anywhere(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    assert parse("[0.5, 1e+20, 2E-3, -7]") == [0.5, 1e20, 2e-3, -7]


def test_what_python_writes_is_read() -> None:
    written = [float("inf"), 2**70, "\ud83d"]
    assert parse(json.dumps(written)) == written


@pytest.mark.parametrize("chunk", [1, 5, 2**16])
@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1},\n {"a" 2}]',
        "[1,\n\n2 3]",
        "[1, 2]\n [3]",
        "[1, 2",
        '[1, "never closed]',
        "[1, {b}]",
        "[1, 2]]",
        '[\n1, 2\n,\n"a\nb"]',
    ],
)
def test_the_place_of_an_error_is_that_which_python_finds(
    text: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    with pytest.raises(BrokenJson) as found:
        parse(text)
    assert (found.value.line, found.value.column) == (expected.value.lineno, expected.value.colno)
    assert found.value.reason == expected.value.msg


def test_commas_do_not_end_a_list() -> None:
    with pytest.raises(BrokenJson) as caught:
        parse("[1, 2, ]")
    assert (caught.value.count, caught.value.column) == (2, 8)


def test_values_that_are_no_list() -> None:
    assert parse('{"a": 1}{"a": 2}, 3') == [{"a": 1}, {"a": 2}, 3]
    stream = JsonStream(io.StringIO('{"a": 1}\n{"a": 2}'))
    assert not stream.is_list
    assert next(iter(stream)) == {"a": 1}
    with pytest.raises(BrokenJson, match="Extra data") as caught:
        stream.require_end()
    assert (caught.value.line, caught.value.column) == (2, 1)


def test_a_value_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 10)
    text = io.StringIO('["' + "a" * 10_000)
    with pytest.raises(BrokenJson, match="Unterminated string"):
        list(JsonStream(text, longest=100))
    assert text.tell() < 500


def test_nesting_and_numbers_that_python_refuses() -> None:
    for text in ("[" * 100_000, "[" + "1" * 10_000 + "]"):
        with pytest.raises(BrokenJson):
            parse(text)
