"""Ragged streams have the outputs and gradients of padded rows, for every model and any program."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DistilBertConfig,
    ElectraConfig,
    ErnieConfig,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    UMT5Config,
    UMT5ForConditionalGeneration,
    XLMRobertaXLConfig,
)

from finetune.attention.layout import Ragged
from finetune.attention.masks import full
from finetune.attention.pretrained import PretrainedError, apply_masks, reads_streams
from finetune.attention.pretrained.streams import bias_table, means
from finetune.attention.pretrained.tokens import MaskRequest, Tokens
from finetune.attention.program import Program, Site
from tests.attention.expressions import masks
from tests.attention.pretrained.tiny import BERT, PAD, SEP, VOCABULARY, build

CPU = torch.device("cpu")
LENGTHS = [3, 7, 1, 7, 4]
TARGETS = [2, 1, 5, 3, 4]
CLS = 7
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "initializer_range": 0.3,
    "pad_token_id": PAD,
    "num_labels": 3,
}
DISTILBERT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 48,
    "num_labels": 3,
    "pad_token_id": PAD,
}
MODERNBERT: dict[str, Any] = {
    **{key: value for key, value in SMALL.items() if key != "initializer_range"},
    "local_attention": 4,
    "global_attn_every_n_layers": 2,
    **dict.fromkeys(("cls_token_id", "bos_token_id"), CLS),
    **dict.fromkeys(("sep_token_id", "eos_token_id"), SEP),
}
OTHERS: dict[str, Any] = {
    "roberta": RobertaConfig(**SMALL, max_position_embeddings=24),
    "ernie": ErnieConfig(**SMALL, max_position_embeddings=24),
    "xlm-roberta-xl": XLMRobertaXLConfig(**SMALL, max_position_embeddings=24),
    "electra": ElectraConfig(**SMALL, embedding_size=32, max_position_embeddings=24),
    "albert": AlbertConfig(**SMALL, embedding_size=32, max_position_embeddings=24),
    "distilbert": DistilBertConfig(**DISTILBERT),
    "modernbert": ModernBertConfig(**MODERNBERT),
}
CLASSES = (
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "T5EncoderModel",
    "T5ForTokenClassification",
    "T5ForSequenceClassification",
)
PAIRS = ("T5ForConditionalGeneration", "EncoderDecoderModel")
PROGRAM = Program.from_config(
    {
        "encoder": {"mask": "window(1) | global_tokens(cls)", "layers": {"-1": "per_head(full(), causal())"}},
        "decoder": "window(2)",
        "cross": "window(3) | global_tokens(0)",
    }
)


def texts(lengths: Sequence[int], seed: int = 0) -> list[Tensor]:
    """Return random ids for each length, with the end of text as the last."""
    generator = torch.Generator().manual_seed(seed)
    ids = [torch.randint(3, VOCABULARY, (length - 1,), generator=generator) for length in lengths]
    return [torch.cat([each, torch.tensor([SEP])]) for each in ids]


def rows(examples: Sequence[Tensor], fill: int = PAD) -> Tensor:
    return nn.utils.rnn.pad_sequence(list(examples), batch_first=True, padding_value=fill)


def padded_outputs(model: nn.Module, sources: Sequence[Tensor], targets: Sequence[Tensor] | None) -> Tensor:
    """Return the outputs of padded rows at tokens, concatenated."""
    valid = rows([torch.ones_like(source) for source in sources], 0)
    inputs = {"input_ids": rows(sources), "attention_mask": valid}
    if targets is not None:
        valid = rows([torch.ones_like(target) for target in targets], 0)
        inputs |= {"decoder_input_ids": rows(targets), "decoder_attention_mask": valid}
    output: Tensor = model(**inputs)[0]
    return output if output.ndim == 2 else output[valid == 1]


def stream_outputs(model: nn.Module, sources: Sequence[Tensor], targets: Sequence[Tensor] | None) -> Tensor:
    inputs: dict[str, Any] = {"input_ids": torch.cat(list(sources))[None]}
    inputs["layout"] = Ragged.from_lengths([len(source) for source in sources])
    if targets is not None:
        inputs |= {"decoder_input_ids": torch.cat(list(targets))[None], "use_cache": False}
        inputs["decoder_layout"] = Ragged.from_lengths([len(target) for target in targets])
    output: Tensor = model(**inputs)[0]
    return output if targets is None and len(output) == len(sources) > 1 else output.reshape(-1, output.shape[-1])


def gradients(model: nn.Module, output: Tensor) -> dict[str, Tensor]:
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
    found = torch.autograd.grad((output * weight).sum(), list(parameters.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(parameters, found, strict=True) if gradient is not None}


def assert_same(model: nn.Module, sources: Sequence[Tensor], targets: Sequence[Tensor] | None = None) -> None:
    of_rows, of_stream = padded_outputs(model, sources, targets), stream_outputs(model, sources, targets)
    torch.testing.assert_close(of_stream, of_rows, atol=1e-5, rtol=1e-5)  # T5's norm computes in float32
    expected, found = gradients(model, of_rows), gradients(model, of_stream)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        # A pooler's weights have no gradient where only one of the two uses it.
        torch.testing.assert_close(found[name], gradient, atol=1e-6 * largest, rtol=1e-5, msg=name)


@pytest.mark.parametrize("program", [Program(), PROGRAM], ids=["standard", "masks"])
@pytest.mark.parametrize("name", [*CLASSES, *PAIRS])
def test_equals_padded_rows(name: str, program: Program) -> None:
    if name not in PAIRS:
        program = Program(encoder=program.encoder)
    model = apply_masks(build(name).double(), program, special_tokens={"cls": CLS})
    assert reads_streams(model)
    assert_same(model, texts(LENGTHS), texts(TARGETS, 1) if name in PAIRS else None)


@pytest.mark.parametrize("head", [AutoModelForSequenceClassification, AutoModelForTokenClassification])
@pytest.mark.parametrize("name", OTHERS)
def test_other_architectures(name: str, head: Any) -> None:
    torch.manual_seed(0)
    model = head.from_config(OTHERS[name]).double().eval()
    masked = apply_masks(model, Program(encoder=Site.from_config("window(2) | global_tokens(0)")))
    assert_same(masked, texts(LENGTHS))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5), masks.filter(lambda mask: not mask.needs.columns), st.data()
)
def test_any_mask(lengths: list[int], mask: Any, data: st.DataObject) -> None:
    if mask.needs.values:
        return
    targets = data.draw(st.lists(st.integers(1, 6), min_size=len(lengths), max_size=len(lengths)))
    model = apply_masks(build("T5ForConditionalGeneration").double(), Program(encoder=Site(mask), cross=Site(mask)))
    assert_same(model, texts(lengths), texts(targets, 1))


def test_columns_and_values_of_a_stream() -> None:
    program = Program.from_config({"encoder": "same(word)", "cross": "prefix(size)"})
    model = apply_masks(build("T5ForConditionalGeneration").double(), program)
    sources, targets = texts(LENGTHS), texts(TARGETS, 1)
    words = [torch.arange(length) // 2 for length in LENGTHS]
    size = torch.tensor([2, 3, 1, 7, 4])
    valid = rows([torch.ones_like(target) for target in targets], 0)
    expected = model(
        input_ids=rows(sources),
        attention_mask=rows([torch.ones_like(source) for source in sources], 0),
        decoder_input_ids=rows(targets),
        mask_features={"word": rows(words), "size": size},
    ).logits[valid == 1]
    found = model(
        input_ids=torch.cat(sources)[None],
        layout=Ragged.from_lengths(LENGTHS),
        decoder_input_ids=torch.cat(targets)[None],
        decoder_layout=Ragged.from_lengths(TARGETS),
        mask_features={"word": torch.cat(words)[None], "size": size},
    ).logits[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["BertForTokenClassification", *PAIRS])
def test_gradient_checkpointing(name: str) -> None:
    model = apply_masks(build(name).double(), Program())
    sources, targets = texts(LENGTHS), texts(TARGETS, 1) if name in PAIRS else None
    expected = gradients(model, stream_outputs(model, sources, targets))
    again: PreTrainedModel = copy.deepcopy(model).train()
    for module in again.modules():
        for name in ("p", "dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    again.activation_checkpointing_enable()
    found = gradients(again, stream_outputs(again, sources, targets))
    for parameter, gradient in expected.items():
        torch.testing.assert_close(found[parameter], gradient)


def test_lora() -> None:
    model = apply_masks(build("BertForTokenClassification").double(), Program())
    adapted = get_peft_model(model, LoraConfig(target_modules=["query", "value"], r=2, init_lora_weights=False))
    assert_same(adapted.double().eval(), texts(LENGTHS))


def test_bfloat16_is_no_worse_than_padded_rows() -> None:
    model = build("BertForTokenClassification")
    sources = texts([9, 20, 14, 3] * 4)
    exact = padded_outputs(copy.deepcopy(model).double(), sources, None)
    masked = apply_masks(copy.deepcopy(model), Program())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        of_rows = padded_outputs(model, sources, None).double()
        of_stream = stream_outputs(masked, sources, None).double()
    assert (of_stream - exact).square().mean() <= 1.1 * (of_rows - exact).square().mean()


def test_the_longest_example_counts() -> None:
    model = apply_masks(build("BertForTokenClassification"), Program())
    longest = int(BERT["max_position_embeddings"])
    assert stream_outputs(model, texts([longest, longest]), None).shape == (2 * longest, 3)
    with pytest.raises(PretrainedError, match=f"{longest} positions and cannot read {longest + 1} tokens"):
        stream_outputs(model, texts([1, longest + 1]), None)


def test_refusals() -> None:
    model = apply_masks(build("BertForTokenClassification"), Program())
    ids = torch.full((1, 5), CLS)
    layout = Ragged.from_lengths([2, 3])
    with pytest.raises(PretrainedError, match=r"one row, \[1, 5\] tokens .* \[2, 5\]"):
        model(ids.expand(2, 5), layout=layout)
    with pytest.raises(PretrainedError, match="no attention_mask"):
        model(ids, attention_mask=torch.ones_like(ids), layout=layout)
    with pytest.raises(PretrainedError, match="must be a Ragged layout, got list"):
        model(ids, layout=[2, 3])
    with pytest.raises(PretrainedError, match=r"weights \(output_attentions\) can be had of padded rows"):
        model(ids, layout=layout, output_attentions=True)
    with pytest.raises(PretrainedError, match="return_dict=True"):
        apply_masks(build("BertModel"), Program())(ids, layout=layout, return_dict=False)
    pair = apply_masks(build("T5ForConditionalGeneration"), Program())
    with pytest.raises(PretrainedError, match="must both be ragged"):
        pair(ids, layout=layout, decoder_input_ids=ids)
    with pytest.raises(PretrainedError, match="use_cache=False"):
        pair(ids, layout=layout, decoder_input_ids=ids, decoder_layout=layout, use_cache=True)


def test_models_that_read_rows_say_so() -> None:
    small = UMT5Config(vocab_size=40, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    umt5 = apply_masks(UMT5ForConditionalGeneration(small), Program())
    mean = copy.deepcopy(OTHERS["modernbert"])
    mean.classifier_pooling = "mean"
    unknown = apply_masks(ModernBertForSequenceClassification(mean), Program())
    vars(unknown.config)["classifier_pooling"] = "max"  # this version of the config refuses another value
    masked = apply_masks(unknown, Program())
    stock = AlbertForSequenceClassification(OTHERS["albert"])
    assert not any(map(reads_streams, (umt5, masked, stock)))
    ids = torch.full((1, 5), CLS)
    with pytest.raises(PretrainedError, match=r"what its head reads of a row \(classifier_pooling='max'\)"):
        masked(ids, layout=Ragged.from_lengths([2, 3]))


@pytest.mark.parametrize("lengths", [LENGTHS, [1, 1], [40, 3]])
def test_a_head_that_averages_tokens_reads_streams(lengths: list[int]) -> None:
    torch.manual_seed(0)
    config = copy.deepcopy(OTHERS["modernbert"])
    config.classifier_pooling = "mean"
    model: Any = ModernBertForSequenceClassification(config)
    model = model.double().eval()
    masked = apply_masks(model, Program(encoder=Site.from_config("window(2) | global_tokens(0)")))
    assert reads_streams(masked)
    assert_same(masked, texts(lengths))


def test_a_mean_in_bfloat16_is_rounded_once() -> None:
    layout = Ragged.from_lengths([3000, 2])
    found = means(torch.ones(3002, 4, dtype=torch.bfloat16), layout)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, torch.ones(2, 4, dtype=torch.bfloat16))


def test_a_bias_of_another_shape_than_the_table_is_refused() -> None:
    layout = Ragged.from_lengths([3, 2])
    tokens = Tokens(1, layout.total, CPU, stream=layout)
    request = MaskRequest("encoder", (full(),), 4, tokens, tokens, has_relative_bias=True)
    assert bias_table(None, request) is None
    table = torch.zeros(1, 4, 1, 5)  # distances from -2 to 2
    assert bias_table(table, request).shape == (4, 5)  # type: ignore[union-attr]
    with pytest.raises(PretrainedError, match=r"given a bias of shape \[1, 4, 5, 5\] .* expected \[1, 4, 1, 5\]"):
        bias_table(torch.zeros(1, 4, 5, 5), request)
