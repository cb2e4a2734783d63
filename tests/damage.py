"""What can become of a file: cut off, overwritten in part or as a whole, another value where one was."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document, the document's own included."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """A JSON document with another value in one place."""
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Other contents of a file that was whole."""
    cut = st.integers(0, len(content) - 1).map(lambda end: content[:end])
    overwritten = st.tuples(st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=4)).map(
        lambda one: content[: one[0]] + one[1] + content[one[0] + len(one[1]) :]
    )
    whole = st.binary(max_size=20) | VALUES.map(json.dumps).map(str.encode) | st.sampled_from([b"[" * 1500, b"{}", b""])
    try:
        document = json.loads(content)
    except ValueError:
        return cut | overwritten | whole
    values = st.tuples(st.sampled_from([*places(document)]), VALUES)
    return cut | overwritten | whole | values.map(lambda one: json.dumps(replaced(document, *one)).encode())
