import pytest
import torch

from finetune.attention.layout import dense_scores
from finetune.attention.masks import MaskArgumentError, MissingColumn, bias, parse


def test_the_number_is_added_where_the_column_is_equal() -> None:
    words = {"word": [7, 7, 2]}
    scores = dense_scores(bias("word", -0.5), 3, num_heads=2, features=words)
    assert scores.equal(-0.5 * torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).expand(2, 3, 3).double())
    crossed = dense_scores(bias("word", 2), 3, 2, features=words, key_features={"word": [2, 7]})
    assert crossed[0].tolist() == [[0, 2], [0, 2], [2, 0]]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(MissingColumn, match="reads the token column 'sentence'"):
        dense_scores(bias("sentence", 1), 3)


def test_very_small_numbers_survive_in_text() -> None:
    mask = bias("word", 1e-7)
    assert str(mask) == "full() + bias(word, 1e-07)"
    assert parse(str(mask)) == mask
    assert parse("bias(word, 2E+2)") == bias("word", 200)


def test_column_and_value_are_checked() -> None:
    for wrong in (True, "0.5", None, float("nan"), float("-inf"), -10_001):
        with pytest.raises(MaskArgumentError, match="bias: value must"):
            bias("word", wrong)  # type: ignore[arg-type]
    with pytest.raises(MaskArgumentError, match="bias: column must be a name"):
        bias("", 1)
