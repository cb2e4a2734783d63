import pytest

from finetune.drafting import names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("#1 ID", ("1", "id")),
        ("review_text", ("review", "text")),
        ("ClassLabel", ("class", "label")),
        ("reviews.rating", ("rating",)),
        ("标签", ("标签",)),
        ("", ()),
    ],
)
def test_parts(name: str, expected: tuple[str, ...]) -> None:
    assert names.parts(name) == expected


def test_whole_names_come_before_ends_of_names() -> None:
    ranks = [names.rank(name, names.LABELS) for name in ("label", "Stars", "label2", "average_rating", "shape")]
    assert ranks[0] == 0
    assert ranks[2] == 0
    assert ranks[4] is None
    assert ranks[1] is not None
    assert ranks[3] is not None
    assert ranks[1] < ranks[3]


def test_identifiers() -> None:
    found = {
        name: names.is_identifier(name) for name in ("#1 ID", "Unnamed: 0", "pairID", "text", "Class Index", "标签")
    }
    assert found == {
        "#1 ID": True,
        "Unnamed: 0": True,
        "pairID": True,
        "text": False,
        "Class Index": False,
        "标签": False,
    }


def test_numbered_names() -> None:
    assert names.are_numbered("sentence1", "sentence2")
    assert names.are_numbered("#1 String", "#2 String")
    assert names.are_numbered("text_a", "text_b")
    assert not names.are_numbered("sentence2", "sentence1")
    assert not names.are_numbered("text", "label")
    assert not names.are_numbered("a1x", "a2y")


def test_sentence_numbers() -> None:
    assert names.is_sentence_number("Sentence #")
    assert names.is_sentence_number("sent_id")
    assert not names.is_sentence_number("sentences")
