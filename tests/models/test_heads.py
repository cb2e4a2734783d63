"""Heads: their weights are told from the body's, renewed, and scaled."""

from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertLMHeadModel,
    BertModel,
    EncoderDecoderModel,
    T5Config,
    T5ForTokenClassification,
)

from finetune.models.heads import (
    finalize_model,
    head_names,
    new_modules,
    note_new_modules,
    renew_head,
    rescale_t5_token_head,
)

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 40,
}


def test_the_head_is_what_is_not_the_body() -> None:
    assert head_names(BertForSequenceClassification(BertConfig(**SIZES))) == {"classifier.weight", "classifier.bias"}
    assert head_names(BertModel(BertConfig(**SIZES))) == set()


def test_modules_of_the_body_that_a_checkpoint_lacks_are_noted() -> None:
    model = BertForSequenceClassification(BertConfig(**SIZES))
    assert new_modules(model) == ()
    note_new_modules(model, ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight"])
    assert new_modules(model) == ("bert.pooler.dense",)


def test_a_renewed_head_differs_and_the_body_stays() -> None:
    model = BertForSequenceClassification(BertConfig(**SIZES))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    renew_head(model)
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed == {"classifier.weight"}, "the bias is 0 in a new head, too"


def test_logits_of_a_new_t5_token_classifier_have_about_unit_variance() -> None:
    torch.manual_seed(0)
    config = T5Config(d_model=256, d_kv=64, d_ff=32, num_heads=4, num_layers=1, vocab_size=40)
    config.num_labels = 50
    model = T5ForTokenClassification(config)
    hidden = torch.randn(100, 256)
    assert model.classifier(hidden).std() > 8
    rescale_t5_token_head(model)
    assert model.classifier(hidden).std().item() == pytest.approx(1, abs=0.2)


def test_heads_of_other_families_keep_their_weights() -> None:
    model = BertForSequenceClassification(BertConfig(**SIZES))
    before = model.classifier.weight.clone()
    rescale_t5_token_head(model)
    assert torch.equal(model.classifier.weight, before)


def test_a_pooler_that_no_decoder_reads_is_frozen() -> None:
    decoder = BertConfig(**SIZES, is_decoder=True, add_cross_attention=True)
    model = EncoderDecoderModel(encoder=BertModel(BertConfig(**SIZES)), decoder=BertLMHeadModel(decoder))
    model.train()
    finalize_model(model)
    assert not model.training
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {"encoder.pooler.dense.weight", "encoder.pooler.dense.bias"}
