"""Words in the colours of their labels."""

from finetune.report.page.tables import TextPiece
from finetune.report.page.words import NUM_COLORS, label_types, legend, marked_words


def test_types_have_colours_by_frequency_and_the_outside_has_none() -> None:
    assert label_types(["B-LOC", "O", "I-PER", "B-PER", "E-PER", "-100", None]) == {"PER": 1, "LOC": 2}
    assert label_types(["NOUN", "VERB", "NOUN"]) == {"NOUN": 1, "VERB": 2}


def test_a_wrong_label_is_noted_beside_the_right_one() -> None:
    types = {"PER": 1}
    pieces = marked_words(["Ada", "met", "Bob"], ["B-PER", "O", "O"], ["B-PER", "O", "B-PER"], types)
    assert pieces == (TextPiece("Ada", "label", 1), TextPiece("met"), TextPiece("Bob", "label", 0, "O \u2192 B-PER"))


def test_a_word_without_a_target_is_not_wrong() -> None:
    (piece,) = marked_words(["and"], ["B-PER"], ["-100"], {"PER": 1})
    assert piece.note == ""


def test_words_beyond_the_limit_are_counted() -> None:
    pieces = marked_words(["a"] * 200, ["O"] * 200, ["O"] * 200, {})
    assert pieces[-1] == TextPiece("... 50 words more")


def test_further_types_share_the_last_colour() -> None:
    types = label_types(f"B-{letter}" for letter in "abcdefghijk")
    assert set(types.values()) == set(range(1, NUM_COLORS + 1))
    shown = legend(types)
    assert len(shown) == NUM_COLORS
    assert shown[-1].text == "4 further types"
    assert legend({"PER": 1}) == (TextPiece("PER", "label", 1),)
