import pytest

from finetune.attention.masks import MaskArgumentError, MaskSyntaxError, MissingColumn
from finetune.attention.masks.errors import did_you_mean


def test_a_syntax_error_shows_the_line_with_a_caret_under_the_place() -> None:
    text = "full()\n& nothing()\n| none()"
    error = MaskSyntaxError("there is no such mask", text, text.index("nothing"))
    assert str(error) == "there is no such mask\n  & nothing()\n    ^"
    assert str(MaskSyntaxError("it ends", "a |", 3)).endswith("  a |\n     ^")


def test_a_missing_column_is_named_with_those_that_are_given() -> None:
    error = MissingColumn("token column", "wrd", {"word", "segment"})
    assert str(error) == (
        "the mask reads the token column 'wrd', which is not given; there are segment, word; did you mean 'word'?"
    )
    assert str(MissingColumn("example's value", "n", [])).endswith("which is not given; there are none")


@pytest.mark.parametrize(("name", "hint"), [("widnow", "; did you mean 'window'?"), ("xyz", "")])
def test_only_a_similar_name_is_proposed(name: str, hint: str) -> None:
    assert did_you_mean(name, ["window", "causal"]) == hint


def test_errors_of_masks_are_value_errors() -> None:
    assert isinstance(MaskArgumentError("wrong", 3), ValueError)
    assert MaskArgumentError("wrong", 3).argument == 3
