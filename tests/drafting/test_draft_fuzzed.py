"""Whatever a file holds, a draft is a recipe that validates and reads back as it is, or a message for the user."""

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune import compose
from finetune.drafting import draft_recipe
from finetune.errors import UserError

FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from(
    ["text", "label", "id", "review", "stars", "tokens", "ner_tags", "source", "target", "en", "de"]
)
CELLS = st.one_of(
    st.sampled_from(["good", "bad", "0", "1", "2.5", "1,5", "", "a b c", "O B-PER O", "['a', 'b']", "[0, 1]", "a;b"]),
    st.text(max_size=12),
)
WORDS = st.lists(st.sampled_from(["O", "B-PER", "Ada", "runs", "the"]), max_size=4)
VALUES = st.one_of(
    CELLS,
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.floats(),
    st.dictionaries(NAMES, CELLS, max_size=2),
    st.lists(st.one_of(st.integers(0, 3), st.none(), WORDS), max_size=3),
)


def draft(name: str, content: bytes, **options: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            found = draft_recipe(path, **options)
        except UserError:
            return
        written = found.write(Path(folder, "recipe.yaml"))
        assert compose.load_recipe(str(written)) == found.recipe
        assert found.facts


@FUZZED
@given(
    st.lists(st.one_of(NAMES, st.text(max_size=8)), min_size=1, max_size=4).flatmap(
        lambda header: st.tuples(
            st.just(header),
            st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), max_size=12),
        )
    ),
    st.sampled_from([("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.txt", "|")]),
    st.sampled_from([None, "text_classification", "token_classification", "translation", "text_to_text"]),
)
def test_tables(table: tuple[list[str], list[list[str]]], form: tuple[str, str], task: str | None) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=form[1]).writerows([table[0], *table[1]])
    draft(form[0], file.getvalue().encode("utf-8", "surrogatepass"), task=task)


@FUZZED
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=12), st.booleans(), st.booleans())
def test_objects(rows: list[dict[str, Any]], is_list: bool, offline: bool) -> None:
    if is_list:
        draft("a.json", json.dumps(rows).encode(), offline=offline)
    else:
        draft("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode(), offline=offline)


@FUZZED
@given(st.lists(st.lists(st.sampled_from(["O", "B-PER", "Ada", "1", "2", "#"]), max_size=3), max_size=12))
def test_columns_of_words(lines: list[list[str]]) -> None:
    draft("a.conll", "".join(" ".join(line) + "\n" for line in lines).encode())


@FUZZED
@given(
    st.binary(max_size=200), st.sampled_from(["a.csv", "a.json", "a.jsonl", "a.conll", "a.tmx", "a.txt", "a.csv.gz"])
)
def test_bytes(content: bytes, name: str) -> None:
    draft(name, content)


@FUZZED
@given(st.text(max_size=30))
def test_paths(name: str) -> None:
    with pytest.raises(UserError):
        draft_recipe(f"nowhere/{name}")
