"""Callers can catch the errors of masks by one type."""

import pytest
import torch

from finetune.attention.pretrained import PretrainedError, apply_masks


def test_the_error_is_a_value_error_that_the_package_exports() -> None:
    with pytest.raises(ValueError, match="Linear is no model of transformers") as caught:
        apply_masks(torch.nn.Linear(2, 2), {})
    assert type(caught.value) is PretrainedError
