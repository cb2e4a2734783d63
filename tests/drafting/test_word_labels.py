from typing import Any

import pytest

from finetune.drafting.word_labels import find_word_columns, word_keys
from finetune.errors import UserError
from tests.drafting.tables import REVIEWS, table, values

WORDS = [["Ada", "runs", f"w{n}"] for n in range(20)]
LABELS = [["B-PER", "O", "O"]] * 20


def test_lists_of_equal_length() -> None:
    found = find_word_columns(table({"id": list(range(20)), "ner_tags": LABELS, "tokens": WORDS}))
    assert found is not None
    assert (found.words, found.labels, found.texts[0]) == ("tokens", ("ner_tags",), "Ada runs w0")


def test_several_columns_of_labels() -> None:
    data = table({"tokens": WORDS, "pos_tags": [[1, 2, 1]] * 20, "ner_tags": LABELS})
    labels = word_keys(data, find_word_columns(data), is_conll=False)[1]
    assert (labels.value, labels.reason) == ("ner_tags", "entities in the scheme iob2: PER")
    assert labels.doubt == "'pos_tags' would fit, too (--label pos_tags)"
    given = table(data.columns, {"data.columns.labels": "pos_tags"})
    labels = word_keys(given, find_word_columns(given), is_conll=False)[1]
    assert (labels.value, labels.doubt) == ("pos_tags", "")
    assert labels.reason == "2 labels: 1, 2; data.labels=[...] names the numbers where the data do not"


@pytest.mark.parametrize(
    "columns",
    [
        {"tokens": WORDS, "labels": [*LABELS[:-1], ["O"]]},
        {"tokens": WORDS},
        {"source": [[text, text] for text in REVIEWS], "source_labels": [[0, 1]] * 40},
        {"text": REVIEWS, "label": ["good", "bad"] * 20},
        {"a": ["x y z"] * 20, "b": ["u v w"] * 20},
        {"tokens": WORDS, "others": [[f"v{n}", f"u{n}", f"t{n}"] for n in range(20)]},
        {"tokens": [["a"], ["b"]], "labels": [["O"], ["O"]]},
        {},
    ],
)
def test_other_data_have_no_words(columns: dict[str, Any]) -> None:
    assert find_word_columns(table(columns)) is None


def test_words_and_labels_that_are_separated_by_blanks() -> None:
    columns = {"sentence": [" ".join(one) for one in WORDS], "tags": ["B-PER O O"] * 20}
    found = find_word_columns(table(columns))
    assert found is not None
    assert found.labels == ("tags",)


def test_a_word_a_row() -> None:
    words = [word for one in WORDS for word in one]
    sentences = [f"Sentence: {n // 3}" if n % 3 == 0 else None for n in range(len(words))]
    data = table({"Sentence #": sentences, "Word": words, "Tag": ["B-PER", "O", "O"] * 20})
    found = find_word_columns(data)
    assert found is not None
    assert found.texts[0] == "Ada runs w0"
    assert values(word_keys(data, found, is_conll=False))["data.columns.sentence"] == "Sentence #"


def test_a_column_of_no_labels_is_refused() -> None:
    data = table({"tokens": WORDS, "tags": LABELS, "x": REVIEWS[:20]}, {"data.columns.labels": "x"})
    with pytest.raises(UserError, match="column 'x' holds no label for each word of 'tokens'"):
        word_keys(data, find_word_columns(data), is_conll=False)
    with pytest.raises(UserError, match="no column seems to hold a list of words"):
        word_keys(data, None, is_conll=False)
