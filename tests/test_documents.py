"""Files of others are read within limits: small files that grow without end are refused at once."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finetune import compose
from finetune.documents import MAX_BYTES, MAX_DEPTH, parse_yaml, read_json, read_yaml
from finetune.errors import UserError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy", max_size=2), inner, max_size=3),
    max_leaves=10,
)
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
SELF = "a: &a [*a]"


def refused(read: Any, path: Path, content: str | bytes, *arguments: Any) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        read(path, *arguments)
    assert time.monotonic() - began < 5
    assert str(path) in str(caught.value)
    return str(caught.value)


@given(st.dictionaries(st.text("xy", max_size=2), VALUES, max_size=3))
def test_json_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(value))
    assert read_json(path) == value


@given(VALUES)
def test_yaml_is_read_as_it_was_written(value: object) -> None:
    assert parse_yaml(yaml.safe_dump(value), yaml.SafeLoader) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "expected: a JSON object"),
        ("null", "found:    null"),
        ("{", "is not JSON"),
        ("", "is not JSON"),
        (b'{"a": "\xff"}', "save it as UTF-8"),
        ('{"a": NaN}', "NaN, which is no number of JSON"),
        ('{"a": [-Infinity]}', "Infinity, which is no number of JSON"),
        ("{" + '"a":{' * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 2), f"at most {MAX_DEPTH} lists and objects"),
        ('{"a":' + "[" * 200_000, "is not JSON"),
        ('{"a": 1' + "0" * 5000 + "}", "is not JSON"),
        (b" " * (MAX_BYTES + 1), "too large"),
    ],
)
def test_json_beyond_the_limits(content: str | bytes, message: str, tmp_path: Path) -> None:
    assert message in refused(read_json, tmp_path / "a.json", content)


def test_metrics_may_be_nan(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": Infinity}')
    assert read_json(tmp_path / "a.json", allow_nan=True) == {"a": float("inf")}


YAML = [
    (BOMB, "its aliases"),
    (SELF, "an alias (*name) stands within what it names"),
    ("[" * 5000, f"more than {MAX_DEPTH} lists and mappings"),
    ("a: [", "is not YAML"),
    ("a: 1" + "0" * 5000, "is not YAML"),
    (b"a: \xff", "save it as UTF-8"),
    (b" " * (MAX_BYTES + 1), "too large"),
]


@pytest.mark.parametrize(("content", "message"), YAML, ids=[message for _, message in YAML])
def test_yaml_beyond_the_limits(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    assert message in refused(read_yaml, path, content, yaml.SafeLoader)
    assert message in refused(lambda where: compose.load_recipe(str(where)), path, content)


def test_aliases_of_a_few_values_are_read() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: [*a, *a]", yaml.SafeLoader)["c"] == [[1, 2], [1, 2]]
