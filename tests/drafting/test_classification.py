from typing import Any

import pytest

from finetune.drafting.classification import label_keys, refuse_same, text_keys
from finetune.drafting.keys import DraftedKey
from finetune.errors import UserError
from tests.drafting.tables import REVIEWS, table, values

CLASSES = ["good", "bad"] * 20


def test_one_column_of_classes_is_the_label_whatever_its_name() -> None:
    (label, problem) = label_keys(table({"t": REVIEWS, "v1": CLASSES}))
    assert (label.value, label.doubt, problem.value) == ("v1", "", "single_label")
    assert label.reason == "2 labels: good 50%, bad 50%"


def test_a_usual_name_decides_and_the_others_are_said() -> None:
    columns: dict[str, list[Any]] = {
        "t": REVIEWS,
        "shape": CLASSES,
        "sentiment": CLASSES,
        "x": [n / 8 for n in range(40)],
    }
    (label, *_) = label_keys(table(columns))
    assert label.value == "sentiment"
    assert label.doubt == "'shape' (2 values), 'x' (numbers) would fit, too (--label shape)"


def test_nothing_decides() -> None:
    with pytest.raises(UserError, match="nothing tells which column holds the labels") as raised:
        label_keys(table({"t": REVIEWS, "a b": CLASSES, "c": CLASSES}))
    assert raised.value.fix == "--label 'a b', say"


def test_no_column_of_labels() -> None:
    with pytest.raises(UserError, match="no column seems to hold the labels") as raised:
        label_keys(table({"t": REVIEWS, "parts": [[text] for text in REVIEWS]}))
    assert "'parts' (lists)" in str(raised.value)
    assert "lists of texts are joined by a function" in str(raised.value)


def test_numbers() -> None:
    (_, problem) = label_keys(table({"t": REVIEWS, "score": [n / 8 for n in range(40)]}))
    assert (problem.value, problem.doubt) == ("regression", "")
    (_, problem) = label_keys(table({"t": REVIEWS, "score": [n * 7 // 2 for n in range(38)] + [0, 0]}))
    assert problem.value == "regression"
    assert "task.problem_type=single_label" in problem.doubt
    (_, problem) = label_keys(table({"t": REVIEWS, "stars": [n % 5 for n in range(40)]}))
    assert problem.value == "single_label"
    assert "task.problem_type=regression" in problem.doubt


def test_columns_of_flags() -> None:
    flags = {"toxic": [n % 2 for n in range(40)], "insult": [n % 3 // 2 for n in range(40)]}
    found = values(label_keys(table({"t": REVIEWS, **flags})))
    assert found == {"data.columns.label": ["toxic", "insult"], "task.problem_type": "multi_label"}
    given = {"data.columns.label": ["insult", "toxic"]}
    assert values(label_keys(table({"t": REVIEWS, **flags}, given)))["data.columns.label"] == ["insult", "toxic"]
    assert values(label_keys(table({"t": REVIEWS, **flags}, {"data.columns.label": "toxic"}))) == {
        "data.columns.label": "toxic",
        "task.problem_type": "single_label",
    }


def test_a_pair_by_its_names() -> None:
    for first, second in (("sentence1", "sentence2"), ("premise", "hypothesis"), ("#1 String", "#2 String")):
        found = values(text_keys(table({"id": list(range(40)), first: REVIEWS, second: REVIEWS}), ["label"]))
        assert found == {"data.columns.text": first, "data.columns.text_pair": second}


def test_a_pair_by_its_words() -> None:
    texts = [f"w{n} x{n} y{n} z{n} is a word" for n in range(40)]
    pairs = [f"there is a word w{n} and a word x{n}" for n in range(40)]
    others = [f"viewer {n} says that film {n * 37} was boring" for n in range(40)]
    (first, second) = text_keys(table({"u": texts, "v": pairs}), ["label"])
    assert (first.value, second.value) == ("u", "v")
    assert second.doubt == "--text u takes the first text alone"
    with pytest.raises(UserError, match="nothing tells which column holds the texts"):
        text_keys(table({"u": texts, "v": others}), ["label"])


def test_one_text() -> None:
    (only,) = text_keys(table({"u": REVIEWS, "label": CLASSES}), ["label"])
    assert (only.value, only.doubt) == ("u", "")
    (named,) = text_keys(table({"author": REVIEWS, "review": REVIEWS}), ["label"])
    assert named.value == "review"
    assert "'author' (texts) would fit, too (--text author)" in named.doubt
    (longest,) = text_keys(table({"u": REVIEWS, "v": [text * 5 for text in REVIEWS]}), ["label"])
    assert (longest.value, longest.reason) == ("v", "the longest texts")
    given = {"data.columns.text": "u", "data.columns.text_pair": "v"}
    assert len(text_keys(table({"u": REVIEWS, "v": REVIEWS}, given), ["label"])) == 2
    with pytest.raises(UserError, match="no column seems to hold texts"):
        text_keys(table({"label": CLASSES}), ["label"])


def test_the_second_text_alone_is_given() -> None:
    found = text_keys(table({"u": REVIEWS, "v": REVIEWS}, {"data.columns.text_pair": "u"}), ["label"])
    assert values(found) == {"data.columns.text": "v", "data.columns.text_pair": "u"}


def test_one_column_for_two_things_is_refused() -> None:
    keys = [DraftedKey("data.columns.text", "a"), DraftedKey("data.columns.label", "a")]
    with pytest.raises(UserError, match="the column 'a' would be read for two things"):
        refuse_same(keys, "a.csv")
