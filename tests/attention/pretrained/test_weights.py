from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForMaskedLM,
    BertLMHeadModel,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    GPT2Config,
    GPT2Model,
    PreTrainedModel,
)

from finetune.attention.layers import Decoder, Encoder, EncoderDecoder
from finetune.attention.pretrained import PretrainedError
from tests.attention.pretrained.tiny import MODELS, SOURCE, TARGET, bert_config, build, padding, tokens

SOURCE_MASK = padding([SOURCE, 4], SOURCE)
TARGET_MASK = padding([TARGET, 3], TARGET)
SOURCE_IDS, TARGET_IDS = tokens(SOURCE_MASK), tokens(TARGET_MASK, seed=1)
ENCODERS = ["BertModel", "BertForSequenceClassification", "T5EncoderModel", "T5ForTokenClassification"]
PAIRS = [
    "T5ForConditionalGeneration",
    "gated T5ForConditionalGeneration",
    "T5ForSequenceClassification",
    "EncoderDecoderModel",
]


@pytest.mark.parametrize("name", ENCODERS + PAIRS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_an_encoder_gives_the_same_hidden_states(name: str, side: str) -> None:
    model = build(name)
    mask = padding([SOURCE, 4], SOURCE, side)
    ids = tokens(mask)
    theirs = model.get_encoder() if name in PAIRS else model
    expected = theirs(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[-1]
    hidden = Encoder.from_pretrained(model)(ids, layout=mask)
    torch.testing.assert_close(hidden[mask == 1], expected[mask == 1], atol=1e-5, rtol=1e-5)


def test_segments_are_read() -> None:
    model = build("BertModel")
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 1]] * 2)
    expected = model(input_ids=SOURCE_IDS, token_type_ids=segments).last_hidden_state
    hidden = Encoder.from_pretrained(model)(SOURCE_IDS, segment_ids=segments)
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_a_decoder_gives_the_same_hidden_states(name: str) -> None:
    model = build(name)
    memory = torch.randn(2, SOURCE, 32, generator=torch.Generator().manual_seed(2))
    theirs = model.get_decoder()  # type: ignore[no-untyped-call]
    expected = theirs(
        input_ids=TARGET_IDS,
        attention_mask=TARGET_MASK,
        encoder_hidden_states=memory,
        encoder_attention_mask=SOURCE_MASK,
        output_hidden_states=True,
    ).hidden_states[-1]
    hidden = Decoder.from_pretrained(model)(TARGET_IDS, memory, layout=TARGET_MASK, memory_layout=SOURCE_MASK)
    torch.testing.assert_close(hidden[TARGET_MASK == 1], expected[TARGET_MASK == 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_an_encoder_decoder_gives_the_same_hidden_states(name: str) -> None:
    model = build(name)
    outputs = model(
        input_ids=SOURCE_IDS,
        attention_mask=SOURCE_MASK,
        decoder_input_ids=TARGET_IDS,
        decoder_attention_mask=TARGET_MASK,
        output_hidden_states=True,
    )
    expected = outputs.decoder_hidden_states[-1]
    hidden = EncoderDecoder.from_pretrained(model)(
        SOURCE_IDS, TARGET_IDS, source_layout=SOURCE_MASK, target_layout=TARGET_MASK
    )
    torch.testing.assert_close(hidden[TARGET_MASK == 1], expected[TARGET_MASK == 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration"])
def test_a_folder_is_as_good_as_a_model(name: str, tmp_path: Path) -> None:
    model = build(name)
    model.save_pretrained(tmp_path)
    from_folder = Encoder.from_pretrained(tmp_path)(SOURCE_IDS, layout=SOURCE_MASK)
    torch.testing.assert_close(from_folder, Encoder.from_pretrained(model)(SOURCE_IDS, layout=SOURCE_MASK))


@pytest.mark.network
def test_a_real_model_gives_the_same_hidden_states() -> None:
    from finetune.samples.minilm import minilm_folder

    folder = minilm_folder()
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(["a text", "another text, which is longer than the first"], padding=True, return_tensors="pt")
    keep = batch["attention_mask"]
    hidden = Encoder.from_pretrained(folder)(batch["input_ids"], layout=keep)
    torch.testing.assert_close(hidden[keep == 1], model(**batch).last_hidden_state[keep == 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_dropout_is_read_and_the_mode_kept(name: str) -> None:
    model = build(name)
    assert not Encoder.from_pretrained(model).training
    model.train()
    encoder = Encoder.from_pretrained(model)
    assert encoder.training
    assert not encoder(SOURCE_IDS).equal(encoder(SOURCE_IDS))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: GPT2Model(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=9)),
            "GPT2Model has no BERT or T5 encoder",
        ),
        (
            lambda: BertForMaskedLM(bert_config(hidden_act="mish")),
            "do not support the activation 'mish'; supported are relu, gelu",
        ),
    ],
)
def test_other_models_are_refused(model: Callable[[], PreTrainedModel], message: str) -> None:
    with pytest.raises(PretrainedError, match=message):
        Encoder.from_pretrained(model())


@pytest.mark.parametrize("load", [Decoder.from_pretrained, EncoderDecoder.from_pretrained])
def test_a_decoder_needs_attention_to_an_encoder(load: Callable[[PreTrainedModel], object]) -> None:
    without = BertLMHeadModel(bert_config(is_decoder=True))
    for model in (build("BertModel"), build("T5EncoderModel"), without):
        with pytest.raises(PretrainedError, match=r"has no BERT or T5 (encoder|decoder with attention to an encoder)"):
            load(model)


def test_halves_of_different_widths_are_loaded_one_by_one() -> None:
    config = EncoderDecoderConfig.from_encoder_decoder_configs(bert_config(hidden_size=16), bert_config())
    model = EncoderDecoderModel(config=config)
    with pytest.raises(PretrainedError, match="different hidden sizes; load each by itself"):
        EncoderDecoder.from_pretrained(model)
    assert Decoder.from_pretrained(model)(TARGET_IDS, torch.zeros(2, SOURCE, 32)).shape == (2, TARGET, 32)


def test_weights_that_the_layers_do_not_have_are_named() -> None:
    model: Any = build("BertModel")
    model.encoder.layer[0].extra = torch.nn.Linear(2, 2)
    with pytest.raises(PretrainedError, match=r"missing none; unknown encoder\.layer\.0\.extra\.weight"):
        Encoder.from_pretrained(model)
