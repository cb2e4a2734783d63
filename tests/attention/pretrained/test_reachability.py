"""Reachability against gradients: an input influences an output exactly where the output's gradient by it is not 0."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import ModernBertConfig, ModernBertForSequenceClassification, PreTrainedModel

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import apply_masks, head_reads, layer_pairs
from finetune.attention.program import Program, Site
from finetune.attention.reachability import reached_by_decoder, reached_tokens
from tests.attention.expressions import masks
from tests.attention.pretrained.tiny import LAYERS, VOCABULARY, build, padding, tokens

properties = settings(deadline=None, max_examples=25)
CLS = 7
LENGTHS = [6, 4]
PAIRS = ["T5ForConditionalGeneration", "EncoderDecoderModel"]


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """One mask for the last layer, another for the one before."""
    return Site(draw(masks), (("-1", draw(masks)),))


@functools.cache
def model_of(name: str) -> PreTrainedModel:
    return build(name).double()


@contextlib.contextmanager
def embeddings_of(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """The embeddings of the calls of a model, in order, as leaves of which gradients can be taken."""
    found: list[Tensor] = []

    def record(module: nn.Module, args: object, output: Tensor) -> Tensor:
        found.append(output.detach().requires_grad_())
        return found[-1]

    tables = {module for module in model.modules() if isinstance(module, nn.Embedding)}
    words = [module for module in tables if module.num_embeddings == VOCABULARY]
    handles = [module.register_forward_hook(record) for module in words]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def influence(outputs: Tensor, inputs: Tensor, row: int) -> Tensor:
    """Where the gradient of outputs [outputs, hidden_size] by row `row` of inputs is not 0: [outputs, tokens]."""
    weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0), dtype=outputs.dtype)
    sums = (outputs * weights).sum(-1)
    slopes = [torch.autograd.grad(each, inputs, retain_graph=True)[0][row] for each in sums]
    return torch.stack([(slope != 0).any(-1) for slope in slopes])


def features(ids: Tensor) -> dict[str, Tensor]:
    return {"word": ids % 3, "source_length": torch.tensor([3, 1])}


@properties
@given(site=sites(), name=st.sampled_from(["BertModel", "T5EncoderModel"]), side=st.sampled_from(["left", "right"]))
def test_an_encoder(site: Site, name: str, side: str) -> None:
    model = apply_masks(model_of(name), Program(encoder=site), special_tokens={"cls": CLS})
    keep = padding(LENGTHS, max(LENGTHS), side)
    ids = tokens(keep)
    inputs = {"input_ids": ids, "attention_mask": keep, "mask_features": features(ids)}
    pairs = layer_pairs(model, lambda: model(**inputs))
    with embeddings_of(model) as embedded:
        hidden = model(**inputs).last_hidden_state
    assert [len(of_example.encoder) for of_example in pairs] == [LAYERS, LAYERS]
    for row, (length, of_example) in enumerate(zip(LENGTHS, pairs, strict=True)):
        here = keep[row] == 1
        expected = influence(hidden[row, here], embedded[0], row)[:, here]
        assert reached_tokens(torch.arange(length), of_example.encoder).equal(expected)


@properties
@given(encoder=sites(), decoder=sites(), cross=sites(), bidirectional=st.booleans(), name=st.sampled_from(PAIRS))
def test_an_encoder_decoder(encoder: Site, decoder: Site, cross: Site, bidirectional: bool, name: str) -> None:
    program = Program(encoder, Site(decoder.mask, decoder.layers, bidirectional), cross)
    model = apply_masks(model_of(name), program, special_tokens={"cls": CLS})
    keep, target_keep = padding(LENGTHS, 6), padding([3, 5], 5)
    ids, target = tokens(keep), tokens(target_keep, seed=1)
    inputs = {"input_ids": ids, "attention_mask": keep, "mask_features": features(ids), "use_cache": False}
    inputs |= {"decoder_input_ids": target, "decoder_attention_mask": target_keep}
    inputs |= {"decoder_mask_features": {"word": target % 3}}
    pairs = layer_pairs(model, lambda: model(**inputs))
    with embeddings_of(model) as embedded:
        logits = model(**inputs).logits
    for row, (length, of_example) in enumerate(zip([3, 5], pairs, strict=True)):
        reached, reached_source = reached_by_decoder(torch.arange(length), of_example)
        assert reached.equal(influence(logits[row, :length], embedded[1], row)[:, :length])
        assert reached_source.equal(influence(logits[row, :length], embedded[0], row)[:, : LENGTHS[row]])


def test_a_stream_allows_what_padded_rows_allow() -> None:
    program = {
        "encoder": {"mask": "window(1) | same(word)", "layers": {"0": "per_head(blocks(2), prefix(source_length))"}}
    }
    model = apply_masks(build("BertModel"), program)
    keep = padding(LENGTHS, max(LENGTHS))
    ids = tokens(keep)
    rows = layer_pairs(model, lambda: model(ids, attention_mask=keep, mask_features=features(ids)))
    stream = ids[keep == 1][None]
    given = {"mask_features": {**features(ids), "word": stream % 3}, "layout": Ragged.from_lengths(LENGTHS)}
    for of_row, of_stream in zip(rows, layer_pairs(model, lambda: model(stream, **given)), strict=True):
        assert all(a.equal(b) for a, b in zip(of_row.encoder, of_stream.encoder, strict=True))


def test_an_encoder_alone_is_not_computed() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "window(1)"})
    layers: list[object] = []
    handle = cast(nn.Module, model.encoder).register_forward_pre_hook(lambda *_: layers.append(1))
    layer_pairs(model, lambda: model(torch.tensor([[5, 6]])))
    assert not layers
    model(torch.tensor([[5, 6]]))
    assert layers, "nothing is left behind that would end later calls"
    handle.remove()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("BertForSequenceClassification", ("encoder", "first")), ("T5ForSequenceClassification", ("decoder", "last"))],
)
def test_what_heads_of_classifiers_read(name: str, expected: tuple[str, str]) -> None:
    assert head_reads(apply_masks(build(name), Program())) == expected


@pytest.mark.parametrize(("pooling", "reads"), [("cls", "first"), ("mean", "all")])
def test_modernbert_can_average_its_tokens(pooling: str, reads: str) -> None:
    sizes = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "cls_token_id": 2, "sep_token_id": 1}
    options: dict[str, Any] = {**sizes, **special, "intermediate_size": 48, "classifier_pooling": pooling}
    config = ModernBertConfig(**options)
    assert head_reads(ModernBertForSequenceClassification(config)) == ("encoder", reads)
