import pytest
from pydantic import ValidationError

from finetune.recipe import Evaluation


def test_one_limit_of_a_forward_pass_is_needed() -> None:
    assert Evaluation(tokens_per_batch=None, batch_size=8).batch_size == 8
    with pytest.raises(ValidationError, match="one of tokens_per_batch and batch_size is needed"):
        Evaluation(tokens_per_batch=None)
