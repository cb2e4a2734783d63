from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from finetune.drafting.pairs_of_files import LanguagePair
from finetune.drafting.task_choice import task_keys
from finetune.errors import UserError
from tests.drafting.files import GERMAN
from tests.drafting.tables import REVIEWS, table

CLASSES = ["good", "bad"] * 20
TEXTS = [f"{text} {n}" for n, text in enumerate(GERMAN * 20)]


def kind(columns: dict[str, Sequence[Any]], given: Mapping[str, Any] = {}, format_: str = "csv") -> tuple[str, str]:
    first = task_keys(table(columns, given), format_, None)[0]
    return str(first.value), first.doubt


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"t": REVIEWS, "v": CLASSES}, "text_classification"),
        ({"t": REVIEWS, "summary": TEXTS, "label": CLASSES}, "text_classification"),
        ({"document": REVIEWS, "title": REVIEWS, "category": CLASSES}, "text_classification"),
        ({"document": REVIEWS, "title": REVIEWS}, "text_to_text"),
        ({"a": REVIEWS, "b": REVIEWS}, "text_to_text"),
        ({"a": REVIEWS, "b": TEXTS}, "translation"),
        ({"en": REVIEWS, "de": REVIEWS}, "translation"),
        ({"tokens": [["a", "b"], ["c", "b"]] * 20, "ner_tags": [[0, 1], [1, 0]] * 20}, "token_classification"),
    ],
)
def test_columns_tell_the_task(columns: dict[str, Sequence[Any]], expected: str) -> None:
    assert kind(columns) == (expected, "")


def test_what_speaks_for_another_task_is_said() -> None:
    found = kind({"t": REVIEWS, "summary": REVIEWS, "topic": CLASSES})
    assert found == ("text_to_text", "--label topic classifies texts instead")
    scripts = kind({"a": REVIEWS, "b": ["Привет"] * 20 + ["Мир"] * 20}, {"data.columns.source": "a"})
    assert scripts[0] == "text_to_text"
    assert "in different scripts: --task translation" in scripts[1]


def test_what_is_given_tells_the_task() -> None:
    columns: dict[str, Sequence[Any]] = {"text": REVIEWS, "summary": REVIEWS, "topic": CLASSES}
    assert kind(columns, {"data.columns.label": "topic"})[0] == "text_classification"
    assert kind(columns, {"data.columns.text_pair": "summary"})[0] == "text_classification"
    assert kind(columns, {"task.source": "en", "task.target": "en"})[0] == "translation"
    assert kind(columns, {"task.kind": "text_classification"})[0] == "text_classification"
    with pytest.raises(UserError, match="recipes for the task 'poetry' are not drafted"):
        kind(columns, {"task.kind": "poetry"})


def test_formats_and_files_tell_the_task() -> None:
    assert kind({"tokens": [["a", "b"]] * 9, "labels": [["O", "B-X"]] * 9}, {}, "conll")[0] == "token_classification"
    assert kind({"en": REVIEWS, "de": TEXTS}, {}, "tmx")[0] == "translation"
    plain = LanguagePair(("source", "target"), ("", ""))
    keys = task_keys(table({"source": REVIEWS, "target": TEXTS}), "parallel", plain)
    assert [key.value for key in keys] == ["text_to_text", "source", "target"]
