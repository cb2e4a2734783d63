"""`finetune.apply_masks` on stock models."""

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

import finetune
from finetune.attention import Program, parse
from finetune.attention.pretrained import CONFIG_KEY, apply_masks
from finetune.errors import UserError
from finetune.models import load_tokenizer
from finetune.recipe import Attention, Model, Scratch

MASK = "window(1) | global_tokens(cls)"
TOKENIZER = load_tokenizer(Model(scratch=Scratch(architecture="bert", vocab_size=100)), lambda: ["some words"] * 20)


def bert() -> BertModel:
    torch.manual_seed(0)
    size: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = BertModel(BertConfig(vocab_size=len(TOKENIZER), intermediate_size=16, **size))
    model.train(False)
    return model


def t5() -> T5ForConditionalGeneration:
    return T5ForConditionalGeneration(T5Config(vocab_size=60, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2))


def output(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        ids = TOKENIZER(["some words some words some words"], return_tensors="pt")["input_ids"]
        return model(ids).last_hidden_state  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "masks",
    [
        MASK,
        parse(MASK),
        Program.from_config({"encoder": MASK}),
        {"encoder": MASK},
        {"encoder": {"mask": MASK}},
        {"encoder": {"layers": {"0-1": MASK}}},
        Attention.model_validate({"encoder": MASK}),
    ],
    ids=["text", "mask", "program", "site", "section", "layers", "recipe"],
)
def test_every_form_is_the_mask_of_the_encoder(masks: Any) -> None:
    model = bert()
    stock = output(model)
    assert finetune.apply_masks(model, masks, tokenizer=TOKENIZER) is model
    expected = apply_masks(bert(), {"encoder": MASK}, special_tokens={"cls": TOKENIZER.cls_token_id})
    assert output(model).equal(output(expected))
    assert not output(model).equal(stock)


def test_sites_of_an_encoder_decoder() -> None:
    model = finetune.apply_masks(t5(), {"encoder": "window(2)", "cross": "window(3)"})
    program = Program.from_config(getattr(model.config, CONFIG_KEY)["program"])
    assert program == Program.from_config({"encoder": "window(2)", "cross": "window(3)"})


@pytest.mark.parametrize(
    ("masks", "tokenizer", "problem", "hint"),
    [
        ("windw(3)", None, "the masks cannot be read: mask: ", "window"),
        ({"encode": "window(3)"}, None, "the masks cannot be read", "encoder"),
        (3, None, "the masks cannot be read", "int: 3"),
        ({"decoder": "causal()"}, None, "the model does not support the masks", "has only encoder"),
        ({"cross": "full()"}, None, "the model does not support the masks", "has only encoder"),
        (Attention.model_validate({"decoder": "causal()"}), None, "the model does not support", "has only encoder"),
        ({"cross": "window(3)"}, None, "the model does not support the masks", "cross"),
        ({"encoder": {"layers": {"7": "window(3)"}}}, None, "the model does not support the masks", "layer 7"),
        ("per_head(full(), full(), window(1))", None, "the model does not support the masks", "head"),
        ("global_tokens(eos)", TOKENIZER, "names the special token 'eos'", "cls"),
        ("global_tokens(cls)", None, "names the special token 'cls', which the model's", "tokenizer=..."),
    ],
)
def test_mistakes(masks: Any, tokenizer: Any, problem: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        finetune.apply_masks(bert(), masks, tokenizer=tokenizer)
    assert problem in str(caught.value)
    assert hint in str(caught.value)


def test_the_name_of_a_model_in_place_of_the_model() -> None:
    with pytest.raises(UserError, match="apply_masks takes a model"):
        finetune.apply_masks("bert", "window(2)")  # type: ignore[type-var]
