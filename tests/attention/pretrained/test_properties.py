"""Under any program, pretrained models compute what the layers from scratch compute with the same weights (float64)."""

import functools
import itertools
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import PreTrainedModel

from finetune.attention.layers import Encoder, EncoderDecoder
from finetune.attention.layout import Padded
from finetune.attention.masks import Mask, causal, parse
from finetune.attention.pretrained import apply_masks
from finetune.attention.program import Program, Site
from tests.attention.expressions import masks
from tests.attention.pretrained.tiny import LAYERS, build, padding, tokens
from tests.attention.score_terms import scored_texts

properties = settings(deadline=None, max_examples=50)
lengths = st.lists(st.integers(0, 6), min_size=1, max_size=3).filter(any)
sides = st.sampled_from(["left", "right"])
CLS = 7


of_self = masks | scored_texts(in_cross=False).map(parse)
of_cross = masks | scored_texts(in_cross=True).map(parse)
"""Masks for the sites, half of them with score terms."""


@st.composite
def sites(draw: st.DrawFn, each: st.SearchStrategy[Mask] = of_self) -> Site:
    """One mask for the last layer, another for those before."""
    return Site(draw(each), (("-1", draw(each)),))


@functools.cache
def models(name: str) -> tuple[PreTrainedModel, Any]:
    """A model, and the layers with its weights."""
    model = build(name).double()
    reference: nn.Module
    reference = (Encoder if name in ("BertModel", "T5EncoderModel") else EncoderDecoder).from_pretrained(model)
    return model, reference


def features(ids: Tensor, seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the columns and values that the masks read, without `is_cls`."""
    generator = torch.Generator().manual_seed(seed)
    values = {"source_length": torch.randint(5, ids.shape[:1], generator=generator)}
    return {"word": torch.randint(3, ids.shape, generator=generator)}, values


def layout(keep: Tensor, ids: Tensor, columns: dict[str, Tensor], values: dict[str, Tensor]) -> Padded:
    return Padded.from_attention_mask(keep, {**columns, "is_cls": (ids == CLS).long()}, values)


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)  # T5's norm computes in float32


def slopes(hidden: Tensor, keep: Tensor, embedding: Any) -> Tensor:
    slope: Tensor = torch.autograd.grad(hidden[keep == 1].square().sum(), embedding)[0]
    return slope


@properties
@given(
    site=sites(),
    rows=lengths,
    side=sides,
    name=st.sampled_from(["BertModel", "T5EncoderModel"]),
    seed=st.integers(0, 99),
)
def test_an_encoder_under_any_masks(site: Site, rows: list[int], side: str, name: str, seed: int) -> None:
    model, reference = models(name)
    program = Program(encoder=site)
    keep = padding(rows, max(rows), side)
    ids = tokens(keep, seed)
    columns, values = features(ids, seed)
    apply_masks(model, program, special_tokens={"cls": CLS})
    hidden = model(input_ids=ids, attention_mask=keep, mask_features=columns | values).last_hidden_state
    each = program.by_layer("encoder", LAYERS)
    expected = reference(ids, each, layout=layout(keep, ids, columns, values))
    assert_close(hidden[keep == 1], expected[keep == 1])
    found_slopes = slopes(hidden, keep, model.get_input_embeddings().weight)
    assert_close(found_slopes, slopes(expected, keep, reference.embedding.tokens.weight))


@properties
@given(
    encoder=of_self,
    decoder=sites(),
    cross=sites(of_cross),
    rows=lengths,
    side=sides,
    name=st.sampled_from(["T5ForConditionalGeneration", "EncoderDecoderModel"]),
    seed=st.integers(0, 99),
)
def test_an_encoder_decoder_under_any_program(
    encoder: Mask, decoder: Site, cross: Site, rows: list[int], side: str, name: str, seed: int
) -> None:
    model, reference = models(name)
    program = Program(Site(encoder), decoder, cross)
    target_rows = [(length + seed) % 5 for length in rows]
    keep, target_keep = padding(rows, max(rows), side), padding(target_rows, 5, side)
    ids, target = tokens(keep, seed), tokens(target_keep, seed + 1)
    columns, values = features(ids, seed)
    target_columns, _ = features(target, seed + 1)
    apply_masks(model, program, special_tokens={"cls": CLS})
    hidden = model(
        input_ids=ids,
        attention_mask=keep,
        decoder_input_ids=target,
        decoder_attention_mask=target_keep,
        mask_features=columns | values,
        decoder_mask_features=target_columns,
        output_hidden_states=True,
    ).decoder_hidden_states[-1]
    expected = reference(
        ids,
        target,
        program,
        source_layout=layout(keep, ids, columns, values),
        target_layout=layout(target_keep, target, target_columns, values),
    )
    assert_close(hidden[target_keep == 1], expected[target_keep == 1])


growing = of_self.filter(lambda mask: not mask.needs.length and not mask.needs.columns)
"""Masks that mean the same while a text grows."""


@properties
@given(
    decoder=growing.map(lambda mask: mask.with_boolean(causal() & mask.boolean)),
    cross=of_cross.filter(lambda mask: not mask.needs.length),
    rows=lengths,
    side=sides,
    name=st.sampled_from(["T5ForConditionalGeneration", "EncoderDecoderModel"]),
    seed=st.integers(0, 99),
    first=st.integers(1, 4),
)
def test_steps_with_a_cache_are_the_whole(
    decoder: Mask, cross: Mask, rows: list[int], side: str, name: str, seed: int, first: int
) -> None:
    model, _ = models(name)
    apply_masks(model, Program(decoder=Site(decoder), cross=Site(cross)), special_tokens={"cls": CLS})
    keep, target_keep = padding(rows, max(rows), side), padding([2 + length % 4 for length in rows], 5, "left")
    ids, target = tokens(keep, seed), tokens(target_keep, seed + 1)
    columns, values = features(ids, seed)
    target_columns, _ = features(target, seed + 1)
    source = {"attention_mask": keep, "mask_features": columns | values}
    whole = model(
        input_ids=ids,
        decoder_input_ids=target,
        decoder_attention_mask=target_keep,
        decoder_mask_features=target_columns,
        **source,
    ).logits
    encoded = model.get_encoder()(input_ids=ids, **source)
    cache, logits = None, []
    for start, stop in itertools.pairwise([0, first, *range(first + 1, 6)]):
        step = model(
            encoder_outputs=encoded,
            attention_mask=keep,
            decoder_input_ids=target[:, start:stop],
            decoder_attention_mask=target_keep[:, :stop],
            decoder_mask_features={name: column[:, start:stop] for name, column in target_columns.items()},
            past_key_values=cache,
            use_cache=True,
        )
        cache = step.past_key_values
        logits.append(step.logits)
    assert_close(torch.cat(logits, dim=1)[target_keep == 1], whole[target_keep == 1])
