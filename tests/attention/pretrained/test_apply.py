import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from finetune.attention.layer_numbers import ProgramError
from finetune.attention.layers import Decoder, Encoder, EncoderDecoder
from finetune.attention.masks import MaskError
from finetune.attention.pretrained import CONFIG_KEY, PretrainedError, apply_masks, remove_masks
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import (
    HEADS,
    LAYERS,
    MODELS,
    SOURCE,
    TARGET,
    batch,
    build,
    gradients,
    loss_of,
    padding,
    tokens,
)

PROGRAM = {
    "encoder": {
        "mask": "window(1) | global_tokens(0)",
        "layers": {"-1": "per_head(window(2), blocks(3), ~window(0), full())"},
    },
    "decoder": {"mask": "per_head(window(1), full())", "layers": {"0": "causal() | prefix(2)"}},
    "cross": {"mask": "window(1, 2)", "layers": {"-1": "per_head(prefix(3), strided(2))"}},
}
"""A program with another mask in each layer and head; some queries of the cross-attention may attend to nothing."""
ENCODERS = [name for name in MODELS if not name.endswith(("Generation", "DecoderModel", "T5ForSequenceClassification"))]
PAIRS = ["T5ForConditionalGeneration", "gated T5ForConditionalGeneration", "EncoderDecoderModel"]
SIDES = pytest.mark.parametrize("side", ["right", "left"])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # EncoderDecoderModel's, at each loss
        yield


def run(model: PreTrainedModel, inputs: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    """Return the outputs of a model and the gradients of all its parameters."""
    outputs = model(**inputs)
    loss_of(outputs, inputs["attention_mask"]).backward()  # type: ignore[no-untyped-call]
    return outputs, gradients(model)


def program_for(name: str) -> dict[str, Any]:
    """Return the part of the program for whose sites a class has attention."""
    return {"encoder": PROGRAM["encoder"]} if name in ENCODERS else PROGRAM


@pytest.mark.parametrize("name", MODELS)
@SIDES
def test_the_standard_program_changes_neither_logits_nor_gradients(name: str, side: str) -> None:
    stock, masked = build(name), apply_masks(build(name), Program())
    inputs = batch(name, side)
    expected, expected_gradients = run(stock, inputs)
    found, found_gradients = run(masked, inputs)
    for key in ("logits", "last_hidden_state"):
        if key in expected:
            torch.testing.assert_close(found[key], expected[key], atol=1e-5, rtol=1e-5)
    assert found_gradients.keys() == expected_gradients.keys()
    for key, gradient in expected_gradients.items():
        torch.testing.assert_close(found_gradients[key], gradient, atol=1e-5, rtol=1e-5, msg=key)


@pytest.mark.parametrize("name", ENCODERS)
@SIDES
def test_an_encoder_obeys_its_program_in_each_layer_and_head(name: str, side: str) -> None:
    program = Program.from_config(program_for(name))
    model, reference = build(name), Encoder.from_pretrained(build(name))
    inputs = batch(name, side)
    ids, keep = inputs["input_ids"], inputs["attention_mask"]
    outputs = apply_masks(model, program)(input_ids=ids, attention_mask=keep, output_hidden_states=True)
    hidden = outputs.hidden_states[-1]
    expected = reference(ids, program.by_layer("encoder", LAYERS), layout=keep)
    torch.testing.assert_close(hidden[keep == 1], expected[keep == 1], atol=1e-5, rtol=1e-5)
    stock = Encoder.from_pretrained(model)(ids, layout=keep)
    assert (stock - expected)[keep == 1].abs().amax(-1).gt(0.05).all()
    hidden[keep == 1].square().sum().backward()
    expected[keep == 1].square().sum().backward()
    assert reference.embedding is not None
    embedding = model.get_input_embeddings().weight.grad
    torch.testing.assert_close(embedding, reference.embedding.tokens.weight.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", PAIRS)
@SIDES
def test_an_encoder_decoder_obeys_its_program_at_each_site(name: str, side: str) -> None:
    program = Program.from_config(PROGRAM)
    model, reference = build(name), EncoderDecoder.from_pretrained(build(name))
    inputs = batch(name, side)
    source, source_mask = inputs["input_ids"], inputs["attention_mask"]
    target_mask = padding([TARGET, 3], TARGET, side)
    target = tokens(target_mask, seed=1)
    outputs = apply_masks(model, program)(
        input_ids=source,
        attention_mask=source_mask,
        decoder_input_ids=target,
        decoder_attention_mask=target_mask,
        output_hidden_states=True,
    )
    hidden = outputs.decoder_hidden_states[-1]
    expected = reference(source, target, program, source_layout=source_mask, target_layout=target_mask)
    torch.testing.assert_close(hidden[target_mask == 1], expected[target_mask == 1], atol=1e-5, rtol=1e-5)
    hidden[target_mask == 1].square().sum().backward()
    expected[target_mask == 1].square().sum().backward()
    compare_gradients(model, reference)


def compare_gradients(model: PreTrainedModel, reference: EncoderDecoder) -> None:
    found = gradients(model)
    for half, layers in (("encoder", reference.encoder), ("decoder", reference.decoder)):
        if layers.position_bias is not None:
            bias = found[f"{half}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
            torch.testing.assert_close(bias, layers.position_bias.buckets.weight.grad, atol=1e-3, rtol=1e-4)
    assert reference.encoder.embedding is not None
    assert reference.decoder.embedding is not None
    halves = [each.embedding.tokens.weight.grad for each in (reference.encoder, reference.decoder) if each.embedding]
    if "shared.weight" in found:  # T5's halves have one embedding, and its head when tied has none of its own
        torch.testing.assert_close(found["shared.weight"], sum(halves), atol=1e-3, rtol=1e-4)
    else:
        embedding = found["encoder.embeddings.word_embeddings.weight"]
        torch.testing.assert_close(embedding, halves[0], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
@SIDES
def test_an_example_is_the_same_alone_and_beside_longer_ones(name: str, side: str) -> None:
    if side == "left" and (name.startswith("Bert") or name == "EncoderDecoderModel"):
        pytest.skip("BERT's learned positions are those of columns, also in the stock model")
    model = apply_masks(build(name), program_for(name))
    inputs = {key: each for key, each in batch(name, side).items() if key != "labels"}
    length = int(inputs["attention_mask"][1].sum())
    columns = slice(0, length) if side == "right" else slice(-length, None)
    alone = {key: each[1:, columns] for key, each in inputs.items()}
    if name in PAIRS:
        inputs["decoder_input_ids"] = torch.tensor([[3, 4, 5]] * 2)
        alone["decoder_input_ids"] = inputs["decoder_input_ids"][1:]
    found, expected = model(**inputs), model(**alone)
    key = "logits" if "logits" in found else "last_hidden_state"
    whole = found[key][1:]
    per_token = whole.shape[1:2] == (SOURCE,)
    torch.testing.assert_close(whole[:, columns] if per_token else whole, expected[key], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_weights_and_their_names_stay_and_masks_can_be_taken_off_again(name: str) -> None:
    model, stock = build(name), build(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    inputs = batch(name)
    expected = stock(**inputs)
    key = "logits" if "logits" in expected else "last_hidden_state"
    assert apply_masks(model, program_for(name)) is model
    torch.testing.assert_close(dict(model.state_dict()), before)
    assert not model(**inputs)[key].equal(expected[key])
    assert remove_masks(model) is model
    assert model(**inputs)[key].equal(expected[key])
    assert not hasattr(model.config, CONFIG_KEY)
    assert model.config.to_dict() == stock.config.to_dict()


def test_a_second_program_replaces_the_first() -> None:
    inputs = batch("BertModel")
    once = apply_masks(build("BertModel"), {"encoder": "window(1)"})
    twice = apply_masks(apply_masks(build("BertModel"), program_for("BertModel")), {"encoder": "window(1)"})
    assert twice(**inputs).last_hidden_state.equal(once(**inputs).last_hidden_state)
    back = apply_masks(twice, Program())
    assert back(**inputs).last_hidden_state.equal(build("BertModel")(**inputs).last_hidden_state)
    assert not hasattr(back.config, CONFIG_KEY)


def test_a_part_and_the_whole_cannot_both_have_masks() -> None:
    model = apply_masks(build("BertForTokenClassification"), {"encoder": "window(1)"})
    with pytest.raises(PretrainedError, match="this BertModel is part of a model that was given masks"):
        apply_masks(model.bert, {"encoder": "none()"})  # type: ignore[type-var]
    part = build("BertForTokenClassification")
    apply_masks(part.bert, {"encoder": "none()"})  # type: ignore[type-var]
    inputs = batch("BertForTokenClassification")
    assert not part(**inputs).logits.equal(model(**inputs).logits)
    assert apply_masks(part, {"encoder": "window(1)"})(**inputs).logits.equal(model(**inputs).logits)


def test_models_beside_it_stay_stock() -> None:
    stock = build("BertModel")
    inputs = batch("BertModel")
    before = stock(**inputs).last_hidden_state
    apply_masks(build("BertModel"), {"encoder": "none()"})(**inputs)
    assert stock(**inputs).last_hidden_state.equal(before)


def test_a_copy_has_the_masks_and_is_a_model_of_its_own() -> None:
    model = apply_masks(build("T5ForConditionalGeneration"), PROGRAM)
    inputs = batch("T5ForConditionalGeneration")
    twin = copy.deepcopy(model)
    assert twin(**inputs).logits.equal(model(**inputs).logits)
    remove_masks(twin)
    assert not twin(**inputs).logits.equal(model(**inputs).logits)
    apply_masks(twin, PROGRAM)
    assert twin(**inputs).logits.equal(model(**inputs).logits)


def test_both_halves_can_be_called_by_themselves() -> None:
    program = Program.from_config(PROGRAM)
    model = apply_masks(build("T5ForConditionalGeneration"), program)
    inputs = batch("T5ForConditionalGeneration")
    ids, keep = inputs["input_ids"], inputs["attention_mask"]
    memory = model.get_encoder()(ids, keep).last_hidden_state
    reference = Encoder.from_pretrained(model)
    torch.testing.assert_close(memory[0], reference(ids, program.by_layer("encoder", LAYERS), layout=keep)[0])
    target = torch.tensor([[0, 4, 5]] * 2)
    decoder = model.get_decoder()  # type: ignore[no-untyped-call]
    found = decoder(target, encoder_hidden_states=memory, encoder_attention_mask=keep).last_hidden_state
    masks = [program.by_layer(site, LAYERS) for site in ("decoder", "cross")]
    expected = Decoder.from_pretrained(model)(target, memory, *masks, memory_layout=keep)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("lengths", [(SOURCE, 1), (SOURCE, 0)])
@pytest.mark.parametrize("name", ["BertForTokenClassification", "T5ForConditionalGeneration", "EncoderDecoderModel"])
@pytest.mark.parametrize("standard", [True, False])
def test_examples_of_no_and_of_one_token(name: str, lengths: tuple[int, int], standard: bool) -> None:
    program = Program() if standard else program_for(name)
    model = apply_masks(build(name), program)
    outputs, found = run(model, batch(name, lengths=lengths))
    assert outputs.logits.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in found.values())


def test_a_model_under_a_mask_that_allows_nothing_reads_each_token_by_itself() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "none()"})
    inputs = batch("BertModel")
    changed = {**inputs, "input_ids": inputs["input_ids"].clone()}
    changed["input_ids"][0, 0] += 1
    difference = model(**inputs).last_hidden_state - model(**changed).last_hidden_state
    assert difference[0, 0].ne(0).any()
    assert difference[0, 1:].eq(0).all()


@pytest.mark.parametrize(
    ("name", "program", "error", "message"),
    [
        ("BertModel", {"cross": "window(1)"}, PretrainedError, "a mask for cross, but BertModel has only encoder"),
        (
            "T5EncoderModel",
            {"decoder": "window(1)"},
            PretrainedError,
            "a mask for decoder, but T5EncoderModel has only",
        ),
        (
            "BertModel",
            {"encoder": "per_head(full(), none(), full())"},
            PretrainedError,
            f"multiple of 3 heads.*has {HEADS}",
        ),
        (
            "BertModel",
            {"encoder": {"mask": "full()", "layers": {"2": "none()"}}},
            ProgramError,
            "encoder.layers: '2' names",
        ),
        ("BertModel", {"encoder": "windows(1)"}, ProgramError, "did you mean 'window'"),
        (
            "BertModel",
            {"encoder": "custom(nobody)"},
            (ProgramError, MaskError),
            "no predicate is registered as 'nobody'",
        ),
    ],
)
def test_a_program_that_does_not_fit_leaves_the_model_as_it_was(
    name: str, program: dict[str, Any], error: type[ValueError], message: str
) -> None:
    model, stock = build(name), build(name)
    with pytest.raises(error, match=message):
        apply_masks(model, program)
    inputs = batch(name)
    assert model(**inputs).last_hidden_state.equal(stock(**inputs).last_hidden_state)


def test_other_models_are_refused_with_the_list_of_those_supported() -> None:
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=9))
    with pytest.raises(
        PretrainedError, match=r"GPT2LMHeadModel cannot take masks; supported are BERT, .*T5, mT5, UMT5"
    ):
        apply_masks(model, Program())
    with pytest.raises(PretrainedError, match="Linear is no model of transformers"):
        apply_masks(torch.nn.Linear(2, 2), Program())
