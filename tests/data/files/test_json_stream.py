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


OBJECTS = st.fixed_dictionaries({"text": st.text(), "spans": st.lists(st.fixed_dictionaries({"text": st.text()}))})


@settings(max_examples=100, deadline=None)
@given(
    st.lists(OBJECTS | VALUES, max_size=8),
    st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", " : ")]),
    st.integers(1, 99),
)
def test_objects_that_begin_alike_come_back(values: list[Any], separators: tuple[str, str], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        assert parse(json.dumps(values, separators=separators)) == values


class Counted:
    """A parser that counts what it is asked to parse, and how often several objects at once could not be parsed."""

    def __init__(self, stream: JsonStream) -> None:
        self.decode, self.calls, self.failures = stream._decode, 0, 0
        stream._decode = self  # type: ignore[assignment]

    def __call__(self, text: str, position: int = 0) -> tuple[Any, int]:
        self.calls += 1
        try:
            return self.decode(text, position)
        except ValueError:
            self.failures += position == 0 and text.startswith("[")
            raise


@pytest.mark.parametrize("indent", [None, 2])
def test_objects_are_parsed_together_and_share_the_names_of_their_keys(indent: int | None) -> None:
    values = [{"text": f"{number} ", "spans": [{"start": 1}, {"start": 2}]} for number in range(5000)]
    stream = JsonStream(io.StringIO(json.dumps(values, indent=indent)))
    parser = Counted(stream)
    found = list(stream)
    assert found == values
    assert parser.calls < len(values) / 50
    first, second = (next(iter(value)) for value in found[:2])
    assert first is second


def test_few_guesses_are_made_where_they_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 500)
    values = [{"a": [number, {"a": 1}, *[{"a": 2}] * 50]} for number in range(1000)]
    stream = JsonStream(io.StringIO(json.dumps(values)))
    parser = Counted(stream)
    assert list(stream) == values
    assert 1 <= parser.failures <= 3


@pytest.mark.parametrize("chunk", [10, 300, 2**16])
def test_objects_before_an_error_are_given_and_counted(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    lines = [json.dumps({"text": f"text {number}"}) for number in range(100)]
    lines[70] = '{"text": text}'
    found: list[Any] = []
    with pytest.raises(BrokenJson) as caught:
        found.extend(JsonStream(io.StringIO("[" + ",\n".join(lines) + "]")))
    assert (caught.value.line, caught.value.column, caught.value.count) == (71, 10, 70)
    assert found == [{"text": f"text {number}"} for number in range(70)]


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
        '[{"a": 1}], [{"a": 2}, {"a": 3}]',
        '[{"a": 1}, {"a": 2},, {"a": 3}]',
        '[{"a": 1}, {"a": 2},\n{"a" 3}, {"a": 4}]',
        '[{"a": 1}, {"a": 2} {"a": 3}, {"a": 4}]',
        '[{"a": {"a": 1}, {"a": 2}}, {"a": 3}]',
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
