"""Differences between an output and its reference are marked, and nothing of the texts is lost."""

from hypothesis import given
from hypothesis import strategies as st

from finetune.report.page.differences import marked_differences
from finetune.report.page.tables import TextPiece


def test_words_that_only_one_text_has_are_marked() -> None:
    output, reference = marked_differences("the red dog", "the blue dog")
    assert output == (TextPiece("the "), TextPiece("red ", "removed"), TextPiece("dog"))
    assert reference == (TextPiece("the "), TextPiece("blue ", "added"), TextPiece("dog"))


def test_texts_without_spaces_are_compared_by_characters() -> None:
    output, reference = marked_differences("我喜欢狗", "我喜欢猫")
    assert output == (TextPiece("我喜欢"), TextPiece("狗", "removed"))
    assert reference == (TextPiece("我喜欢"), TextPiece("猫", "added"))


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_pieces_make_the_texts(output: str, reference: str) -> None:
    for text, pieces in zip((output, reference), marked_differences(output, reference), strict=True):
        assert "".join(one.text for one in pieces) == text
    same, _ = marked_differences(output, output)
    assert all(not one.mark for one in same)


def test_what_repeats_itself_is_marked_between_equal_ends_and_in_time() -> None:
    many = "ha " * 150
    output, reference = marked_differences(f"so {many}no", f"so {many}he {many}no")
    assert output == (TextPiece(f"so {many}"), TextPiece("no"))
    assert reference == (TextPiece(f"so {many}"), TextPiece(f"he {many}", "added"), TextPiece("no"))


def test_long_texts_are_compared_in_time() -> None:
    text = "word " * 5_000
    output, _ = marked_differences(text + "a", text + "b")
    assert "".join(one.text for one in output) == text + "a"
