import pytest
import torch

from finetune.attention.layers import Encoder, LayerConfig, LayerError, MaskedMultiHeadAttention, to_allowed


def test_errors_of_layers_are_value_errors_that_say_what_was_found() -> None:
    assert issubclass(LayerError, ValueError)
    with pytest.raises(LayerError, match="n_head must be at least 1, got 0"):
        MaskedMultiHeadAttention(8, 0)
    with pytest.raises(LayerError, match="d_k is the size of all heads together and must be a multiple of n_head 3"):
        Encoder(LayerConfig(8, 3, 16), 1)
    with pytest.raises(LayerError, match=r"holds 0 and 1 alone, got 0.5"):
        to_allowed(torch.tensor([0.5]), "1 = ignore")
