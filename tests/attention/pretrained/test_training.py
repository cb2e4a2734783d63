"""Masks work with gradient checkpointing, compiling, bf16, dropout, threads and DistributedDataParallel."""

import copy
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from finetune.attention.masks import parse
from finetune.attention.pretrained import apply_masks
from finetune.attention.pretrained.interface import ASSIGNMENT
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import HEADS, SOURCE, TARGET, batch, build, gradients, loss_of

NAMES = ["BertForTokenClassification", "T5ForConditionalGeneration", "EncoderDecoderModel"]
ALL = pytest.mark.parametrize("name", NAMES)
ENCODER = {
    "encoder": {"mask": "window(1) | global_tokens(cls)", "layers": {"-1": "per_head(window(2), prefix(start))"}}
}
PROGRAM = {
    **ENCODER,
    "decoder": "causal() | prefix(2)",
    "cross": {"mask": "window(1, 2)", "layers": {"0": "same(side)"}},
}
TOKENS = {"cls": 7}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # EncoderDecoderModel's, at each loss
        yield


def masked(name: str) -> PreTrainedModel:
    program = ENCODER if name.startswith("Bert") else PROGRAM
    return apply_masks(build(name), program, special_tokens=TOKENS)


def inputs_of(name: str) -> dict[str, object]:
    """A batch with the features that the program reads."""
    features = {"start": torch.tensor([1, 3]), "side": torch.tensor([[0, 1] * 3 + [0]] * 2)}
    inputs: dict[str, object] = {**batch(name), "mask_features": features}
    if not name.startswith("Bert"):
        inputs["decoder_mask_features"] = {"side": torch.tensor([[0, 1, 1, 0, 1]] * 2)}
    return inputs


def run(model: torch.nn.Module, inputs: dict[str, object]) -> tuple[Tensor, dict[str, Tensor]]:
    outputs = model(**inputs)
    outputs.loss.backward()
    found = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    return outputs.logits.detach(), found


def assert_same(found: tuple[Tensor, dict[str, Tensor]], expected: tuple[Tensor, dict[str, Tensor]]) -> None:
    torch.testing.assert_close(found[0], expected[0], atol=1e-5, rtol=1e-5)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-5, rtol=1e-5, msg=name)


def set_dropout(model: PreTrainedModel, probability: float, of_attention: float | None = None) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = probability
    for module in model.modules():
        if hasattr(module, ASSIGNMENT):
            own = probability if of_attention is None else of_attention
            if isinstance(module.dropout, torch.nn.Dropout):
                module.dropout.p = own
            elif isinstance(module.dropout, float):  # T5's attention keeps a number
                setattr(module, "dropout", own)  # noqa: B010


@ALL
@pytest.mark.parametrize("use_reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(name: str, use_reentrant: bool) -> None:
    model, inputs = masked(name), inputs_of(name)
    expected = run(model, inputs)
    model.gradient_checkpointing_enable(  # type: ignore[no-untyped-call]
        {"use_reentrant": use_reentrant}
    )
    model.enable_input_require_grads()  # type: ignore[no-untyped-call]
    model.train()
    set_dropout(model, 0.0)
    assert_same(run(model, inputs), expected)


@pytest.mark.parametrize("name", ["BertForTokenClassification", "T5ForConditionalGeneration"])
def test_compiled_code_is_one_graph_and_reads_each_batch_anew(name: str) -> None:
    model, inputs = masked(name), inputs_of(name)
    other = inputs_of(name) | batch(name, lengths=(5, SOURCE))
    other["mask_features"] = {"start": torch.tensor([4, 2]), "side": torch.tensor([[1, 1, 0, 0, 0, 0, 1]] * 2)}
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    for each in (inputs, other):
        torch.testing.assert_close(compiled(**each).logits, model(**each).logits, atol=1e-5, rtol=1e-5)


def test_compiled_code_has_the_same_gradients() -> None:
    name = "BertForTokenClassification"
    model, inputs = masked(name), inputs_of(name)
    expected = run(model, inputs)
    torch._dynamo.reset()
    model.compile(backend="aot_eager")
    assert_same(run(model, inputs), expected)


@ALL
@pytest.mark.parametrize("autocast", [True, False])
def test_bf16_is_close_to_float32(name: str, autocast: bool) -> None:
    model, inputs = masked(name), inputs_of(name)
    expected, _ = run(model, inputs)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found, slopes = run(model if autocast else copy.deepcopy(model).bfloat16(), inputs)
    assert found.dtype == torch.bfloat16
    # Half of the numbers within a few steps of bfloat16; rounding adds up over the layers for the others.
    assert (found.float() - expected).abs().median() < 0.05 * expected.abs().median()
    assert all(slope.isfinite().all() for slope in slopes.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("standard", [True, False])
def test_weights_are_given_on_request(name: str, standard: bool) -> None:
    model = apply_masks(build(name), Program()) if standard else masked(name)
    inputs: dict[str, object] = {**batch(name)} if standard else inputs_of(name)
    without = model(**inputs)
    outputs = model(**inputs, output_attentions=True)
    torch.testing.assert_close(outputs.logits, without.logits, atol=1e-5, rtol=1e-5)
    kinds = (
        ["attentions"] if name.startswith("Bert") else ["encoder_attentions", "decoder_attentions", "cross_attentions"]
    )
    eager = build(name)
    eager.set_attn_implementation("eager")
    stock = eager(**batch(name), output_attentions=True)
    for kind in kinds:
        for found, expected in zip(outputs[kind], stock[kind], strict=True):
            assert found.shape == expected.shape
            if standard:
                torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
            else:
                assert found[:, :, :2].sum(-1).gt(0).any()
                assert not found.isclose(expected, atol=1e-3).all()


def test_weights_are_those_of_the_masks() -> None:
    name = "T5ForConditionalGeneration"
    model = apply_masks(build(name), {"encoder": "per_head(window(1), causal())", "cross": "window(0, 1)"})
    outputs = model(**batch(name), output_attentions=True)
    head_masks = parse("per_head(window(1), causal())").dense(SOURCE, num_heads=HEADS)
    for weights in outputs.encoder_attentions:
        assert weights[0].gt(0).equal(head_masks)
        torch.testing.assert_close(weights[0].sum(-1), torch.ones(HEADS, SOURCE))
    for weights in outputs.cross_attentions:
        assert weights[0].gt(0).equal(parse("window(0, 1)").dense(TARGET, SOURCE, HEADS))


@ALL
def test_attention_dropout_is_for_training(name: str) -> None:
    model = masked(name)
    inputs = inputs_of(name)
    set_dropout(model, 0.0, of_attention=0.5)
    assert model(**inputs).logits.equal(model(**inputs).logits)
    model.train()
    assert not model(**inputs).logits.equal(model(**inputs).logits)


def test_threads_do_not_mix_their_batches() -> None:
    name = "T5ForConditionalGeneration"
    model = masked(name)
    starts = [torch.tensor([number, 1]) for number in range(1, 7)]
    batches = [{**inputs_of(name), "mask_features": {**features_of(name), "start": start}} for start in starts]
    expected = [model(**each).logits for each in batches]
    assert not expected[0].equal(expected[-1])
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda each: model(**each).logits, batches * 4))
    for one, other in zip(found, expected * 4, strict=True):
        torch.testing.assert_close(one, other)


def features_of(name: str) -> dict[str, Tensor]:
    features = inputs_of(name)["mask_features"]
    assert isinstance(features, dict)
    return features


@ALL
def test_it_learns_under_masks(name: str) -> None:
    model, inputs = masked(name), inputs_of(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    before = loss_of(model(**inputs), torch.ones(1)).item()
    for _ in range(20):
        loss_of(model(**inputs), torch.ones(1)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    assert loss_of(model(**inputs), torch.ones(1)).item() < 0.3 * before
    assert gradients(model) == {}


@ALL
def test_distributed_data_parallel_passes_features_on(name: str, tmp_path: Path) -> None:
    model, inputs = masked(name), inputs_of(name)
    expected = run(model, inputs)
    distributed = torch.distributed
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        parallel = DistributedDataParallel(model, find_unused_parameters=True)
        logits, found = run(parallel, inputs)
    finally:
        distributed.destroy_process_group()
    assert_same((logits, {key.removeprefix("module."): each for key, each in found.items()}), expected)
