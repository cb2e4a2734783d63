from typing import Any

import pytest
from transformers import BertConfig, BertForSequenceClassification, T5Config, T5ForConditionalGeneration

from finetune.models import layers_below_top

SIZES: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 40}


def test_the_layers_of_an_encoder_are_counted_from_the_head() -> None:
    depths = layers_below_top(BertForSequenceClassification(BertConfig(num_hidden_layers=3, **SIZES)))
    assert depths["classifier.weight"] == depths["bert.pooler.dense.weight"] == 0
    by_layer = [depths[f"bert.encoder.layer.{number}.output.dense.weight"] for number in range(3)]
    assert by_layer == [3, 2, 1]
    assert depths["bert.embeddings.word_embeddings.weight"] == 4


@pytest.mark.parametrize(("encoder", "decoder"), [(3, 2), (1, 4)])
def test_encoder_and_decoder_are_counted_separately(encoder: int, decoder: int) -> None:
    config = T5Config(
        d_model=16, d_kv=8, d_ff=32, num_heads=2, vocab_size=40, num_layers=encoder, num_decoder_layers=decoder
    )
    depths = layers_below_top(T5ForConditionalGeneration(config))
    assert depths["encoder.block.0.layer.0.SelfAttention.q.weight"] == encoder
    assert depths["decoder.block.0.layer.0.SelfAttention.q.weight"] == decoder
    assert depths["shared.weight"] == max(encoder, decoder) + 1
    assert depths["decoder.final_layer_norm.weight"] == 0
