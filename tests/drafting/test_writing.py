from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.compose.yaml_values import RecipeLoader
from finetune.documents import parse_yaml
from finetune.drafting.keys import DraftedKey
from finetune.drafting.writing import scalar, to_text, to_yaml, write_recipe
from finetune.errors import UserError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def read(text: str) -> Any:
    return parse_yaml(text, RecipeLoader)


@given(VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    assert read(f"key: {to_yaml(value)}") == {"key": value}


@given(TEXTS, TEXTS, TEXTS)
def test_comments_stay_comments(value: str, reason: str, doubt: str) -> None:
    keys = [DraftedKey("data.path", value, reason, doubt), DraftedKey("seed", 1, reason * 9, doubt)]
    assert read(to_text(keys, [reason, doubt])) == {"data": {"path": value}, "seed": 1}


def test_sections_are_written_once_and_in_order() -> None:
    keys = [
        DraftedKey("model.name", "a/b", "why"),
        DraftedKey("data.columns.text", "t"),
        DraftedKey("data.path", "a b.csv", "", "another"),
        DraftedKey("task.kind", "translation"),
        DraftedKey("data.columns.label", "l"),
    ]
    assert to_text(keys, ["head"]).splitlines() == [
        "# head",
        "task:",
        "  kind: translation",
        "data:",
        "  # not certain: another",
        '  path: "a b.csv"',
        "  columns:",
        "    text: t",
        "    label: l",
        "model:",
        "  name: a/b  # why",
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [("a/b.csv", "a/b.csv"), ("no", '"no"'), ("1", '"1"'), ("", '""'), ("\t", '"\\t"'), ("naïve", '"naïve"')],
)
def test_texts_are_plain_where_no_reader_takes_them_for_something_else(text: str, written: str) -> None:
    assert scalar(text) == written


def test_no_file_is_replaced_unless_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "new" / "recipe.yaml"
    write_recipe("seed: 1\n", path, overwrite=False)
    with pytest.raises(UserError, match="is there already, and is left as it is") as raised:
        write_recipe("seed: 2\n", path, overwrite=False)
    assert "--overwrite" in str(raised.value)
    assert path.read_text() == "seed: 1\n"
    write_recipe("seed: 2\n", path, overwrite=True)
    assert path.read_text() == "seed: 2\n"


@pytest.mark.parametrize("name", ["recipe.py", "recipe", ""])
def test_a_draft_is_yaml(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a drafted recipe is YAML"):
        write_recipe("", tmp_path / name, overwrite=False)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write_recipe("", tmp_path / "file" / "recipe.yaml", overwrite=False)
