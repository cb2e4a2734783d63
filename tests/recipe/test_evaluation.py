import pytest
from pydantic import ValidationError

from finetune.recipe import Evaluation


def test_one_limit_of_a_forward_pass_is_needed() -> None:
    assert Evaluation(tokens_per_batch=None, batch_size=8).batch_size == 8
    with pytest.raises(ValidationError, match="one of tokens_per_batch and batch_size is needed"):
        Evaluation(tokens_per_batch=None)


def test_slices_by_columns() -> None:
    assert Evaluation(slices=("length", "author", "label")).slice_columns == ("author",)
    with pytest.raises(ValidationError, match="name each of them once"):
        Evaluation(slices=("length", "length"))
    with pytest.raises(ValidationError, match="one of them is empty"):
        Evaluation(slices=(" ",))
