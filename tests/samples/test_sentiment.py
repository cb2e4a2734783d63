from collections import Counter

import pytest

from finetune.errors import UserError
from finetune.samples.sentiment import LEAST_RATING, convert_sentiment, load_sentiment
from finetune.samples.split import SampleRow, fold


def rows_of(*lines: str) -> list[SampleRow]:
    return [row for rows in convert_sentiment(lines).values() for row in rows]


def test_the_sign_of_the_rating_is_the_label() -> None:
    assert rows_of("1\t2.5\tA hoot.") == [{"text": "A hoot.", "label": "positive", "rating": 2.5}]
    assert rows_of("1\t-0.5\tA bore.") == [{"text": "A bore.", "label": "negative", "rating": -0.5}]


def test_ratings_near_zero_are_dropped() -> None:
    assert rows_of("1\t0.49\tA film.", "2\t-0.49\tAnother.", "3\t0\tA third.") == []


def test_entities_and_runs_of_blanks_are_mended() -> None:
    [row] = rows_of("1\t2\tLovely &amp; Amazing    even so")
    assert row["text"] == "Lovely & Amazing even so"


def test_of_like_sentences_the_first_is_kept_and_contradictions_go() -> None:
    [row] = rows_of("1\t2\tGood fun.", "2\t3\tgood fun!", "3\t2\tWho knows", "4\t-2\tWho knows?")
    assert row == {"text": "Good fun.", "label": "positive", "rating": 2.0}


def test_an_unknown_column_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no column 'labels'(.|\n)*text, label, rating(.|\n)*'label'"):
        load_sentiment("train", ("text", "labels"))


@pytest.mark.network
def test_the_real_sentences(needs_network: None) -> None:
    splits = {split: load_sentiment(split, ("text", "label", "rating")) for split in ("train", "dev", "test")}
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 6012, "dev": 1029, "test": 3029}
    for rows in splits.values():
        labels = Counter(row["label"] for row in rows)
        assert set(labels) == {"negative", "positive"}
        assert max(labels.values()) / len(rows) < 0.52
    texts = [str(row["text"]) for rows in splits.values() for row in rows]
    assert len({fold(text) for text in texts}) == len(texts)
    assert all(text and text == " ".join(text.split()) and "&amp;" not in text for text in texts)
    assert min(abs(float(str(row["rating"]))) for rows in splits.values() for row in rows) >= LEAST_RATING
    assert set(load_sentiment("dev", ("text",))[0]) == {"text"}
