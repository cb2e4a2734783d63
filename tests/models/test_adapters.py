"""Adapters change a few weights, compute nothing else at first, and are merged without a change of outputs."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from finetune.errors import UserError
from finetune.models import adapt, is_adapted, learns_prefix, merge_adapter
from finetune.recipe import Adapter

pytest.importorskip("peft")

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 40,
}
IDS = torch.arange(5, 15).view(2, 5)
HEAD = "text_classification"


@pytest.fixture
def model() -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = BertForSequenceClassification(BertConfig(**SIZES))
    model.train(False)
    return model


def logits(model: PreTrainedModel) -> Tensor:
    with torch.inference_mode():
        found: Tensor = model.train(False)(input_ids=IDS).logits
    return found


def trained(model: PreTrainedModel) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_a_new_adapter_changes_no_output_and_trains_itself_and_the_head(model: PreTrainedModel, kind: str) -> None:
    before = logits(model)
    adapted = adapt(model, Adapter.model_validate({"kind": kind}), HEAD, seed=0)
    assert is_adapted(adapted)
    assert not learns_prefix(adapted)
    torch.testing.assert_close(logits(adapted), before)
    assert all(f"{kind}_" in name or "classifier" in name for name in trained(adapted))
    assert any("classifier" in name for name in trained(adapted))


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_a_merged_adapter_computes_the_same_as_a_plain_model(model: PreTrainedModel, kind: str) -> None:
    adapted = adapt(model, Adapter.model_validate({"kind": kind}), HEAD, seed=0)
    for name, weight in adapted.named_parameters():
        if f"{kind}_" in name:
            torch.nn.init.normal_(weight)
    expected = logits(adapted)
    merged = merge_adapter(adapted)
    assert not is_adapted(merged)
    assert trained(merged) == {name for name, _ in merged.named_parameters()}
    torch.testing.assert_close(logits(merged), expected)
    assert merge_adapter(merged) is merged


def test_an_adapter_depends_on_its_seed_and_leaves_the_callers_generator(model: PreTrainedModel) -> None:
    state = torch.get_rng_state()
    adapted = [adapt(copy.deepcopy(model), Adapter(), HEAD, seed=seed) for seed in (0, 0, 1)]
    weights = [
        next(weight for name, weight in one.named_parameters() if "lora_A" in name and "default" in name)
        for one in adapted
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_no_adapter_leaves_the_model_as_it_is(model: PreTrainedModel) -> None:
    assert adapt(model, None, HEAD, seed=0) is model


def test_a_module_that_is_not_there_is_answered_with_the_nearest(model: PreTrainedModel) -> None:
    with pytest.raises(UserError, match="the model has no module 'qury' to adapt") as caught:
        adapt(model, Adapter(targets=("qury",)), HEAD, seed=0)
    assert caught.value.fix == "did you mean query?"


def test_a_prefix_cannot_be_merged(model: PreTrainedModel) -> None:
    adapted = adapt(model, Adapter(kind="prefix_tuning", num_virtual_tokens=3), HEAD, seed=0)
    assert learns_prefix(adapted)
    with pytest.raises(UserError, match="a prefix cannot be merged"):
        merge_adapter(adapted)


def test_prefixes_need_attention_that_takes_keys_from_outside() -> None:
    t5 = T5ForConditionalGeneration(T5Config(d_model=16, d_kv=8, d_ff=32, num_heads=2, num_layers=1, vocab_size=40))
    with pytest.raises(UserError, match="prefix tuning does not go with this model and task"):
        adapt(t5, Adapter(kind="prefix_tuning"), HEAD, seed=0)


def test_new_cross_attention_needs_training_of_all_weights() -> None:
    config = EncoderDecoderConfig.from_encoder_decoder_configs(BertConfig(**SIZES), BertConfig(**SIZES))
    with pytest.raises(UserError, match="new cross-attention weights between two encoders would stay untrained"):
        adapt(EncoderDecoderModel(config), Adapter(), "text_to_text", seed=0)
