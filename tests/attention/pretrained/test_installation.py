"""The hooks of a model: their order, and which attention module obeys which mask."""

from typing import Any

import pytest
import torch

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained.families import find_stacks
from finetune.attention.pretrained.hooks import CarryHook, SourceHook, StackHook
from finetune.attention.pretrained.installation import StackMasks
from finetune.attention.pretrained.interface import ASSIGNMENT, MaskAssignment
from finetune.attention.pretrained.streams import EndOfTextHook, PoolHook, RelativeBiasHook
from finetune.attention.program import Program
from tests.attention.pretrained.test_streams import LENGTHS, texts
from tests.attention.pretrained.tiny import HEADS, LAYERS, batch, build

CLASSIFIER = "T5ForSequenceClassification"
PROGRAM = {"decoder": "window(1)", "cross": "prefix(opening)"}


def kinds(hooks: Any) -> list[type]:
    return [type(hook) for hook in hooks.values()]


def classify(model: Any) -> torch.Tensor:
    stream = torch.cat(texts(LENGTHS))[None]
    logits: torch.Tensor = model(stream, layout=Ragged.from_lengths(LENGTHS), use_cache=False).logits
    return logits


def test_the_hooks_of_each_module_run_in_the_order_that_is_described() -> None:
    model: Any = apply_masks(build(CLASSIFIER), PROGRAM)
    assert kinds(model._forward_pre_hooks) == [SourceHook, EndOfTextHook]
    assert kinds(model.transformer._forward_pre_hooks) == [SourceHook]
    for stack in find_stacks(model):
        assert kinds(stack.module._forward_pre_hooks) == [StackHook]
        assert set(kinds(stack.module._forward_hooks)) == {PoolHook} | (
            {CarryHook} if stack.site == "encoder" else set()
        )
        for layer, attention in enumerate(stack.self_attention):
            assert kinds(attention._forward_pre_hooks) == [RelativeBiasHook] * (layer == 0)


def test_a_classifier_reads_a_stream_only_if_the_source_hook_runs_before_the_end_of_text_hook() -> None:
    model = apply_masks(build(CLASSIFIER), Program())
    expected = classify(model)
    assert expected.shape == (len(LENGTHS), 3)
    registered: list[Any] = [model._forward_pre_hooks, model._forward_pre_hooks_with_kwargs]
    for hooks in registered:
        first = next(iter(hooks))
        hooks[first] = hooks.pop(first)  # to the end
    assert kinds(model._forward_pre_hooks) == [EndOfTextHook, SourceHook]
    with pytest.raises(PretrainedError, match="source and target must both be ragged streams"):
        classify(model)


def test_the_order_of_the_hooks_after_a_stack_does_not_matter() -> None:
    name = "T5ForConditionalGeneration"
    model: Any = apply_masks(build(name), PROGRAM)
    inputs = {**batch(name), "mask_features": {"opening": torch.tensor([2, 1])}}
    expected = model(**inputs).logits
    hooks = model.encoder._forward_hooks
    assert kinds(hooks) == [PoolHook, CarryHook]
    first = next(iter(hooks))
    hooks[first] = hooks.pop(first)  # to the end
    assert model(**inputs).logits.equal(expected)


def test_each_attention_module_has_its_site_layer_and_mask() -> None:
    program = {
        "encoder": {"mask": "window(1)", "layers": {"-1": "full()"}},
        "decoder": "window(2)",
        "cross": "window(3)",
    }
    model = apply_masks(build("EncoderDecoderModel"), program)
    encoder, decoder = find_stacks(model)

    def of(modules: Any) -> list[MaskAssignment]:
        return [getattr(module, ASSIGNMENT) for module in modules]

    assert of(encoder.self_attention) == [MaskAssignment("encoder", layer, layer) for layer in range(LAYERS)]
    assert of(decoder.self_attention) == [MaskAssignment("decoder", layer, 0) for layer in range(LAYERS)]
    assert of(decoder.cross_attention) == [MaskAssignment("cross", layer, 0) for layer in range(LAYERS)]


def test_a_mask_of_another_number_of_heads_is_refused_with_both_numbers() -> None:
    (stack,) = find_stacks(build("BertModel"))
    program = Program.from_config({"encoder": "per_head(full(), none(), full())"})
    with pytest.raises(PretrainedError, match=f"needs a multiple of 3 heads, BertModel has {HEADS}"):
        StackMasks.of(stack, program)
    fits = StackMasks.of(stack, Program.from_config({"encoder": "per_head(full(), same(word))"}))
    assert fits.needs.columns == {"word"}
    assert fits.cross_masks == ()
