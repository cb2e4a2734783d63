"""Virtual tokens are refused under masks, whether the adapter or the masks are applied first."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import batch, build

peft = pytest.importorskip("peft")

TASKS = {"BertForSequenceClassification": "SEQ_CLS", "BertForTokenClassification": "TOKEN_CLS"}
TASKS |= {"T5ForConditionalGeneration": "SEQ_2_SEQ_LM"}
KINDS: dict[str, Callable[..., Any]] = {
    "PROMPT_TUNING": peft.PromptTuningConfig,
    "P_TUNING": lambda **options: peft.PromptEncoderConfig(encoder_hidden_size=32, **options),
    "MULTITASK_PROMPT_TUNING": lambda **options: peft.MultitaskPromptTuningConfig(num_tasks=1, num_ranks=1, **options),
    "PREFIX_TUNING": peft.PrefixTuningConfig,
}
MASKS = {"encoder": "window(1)"}


def adapter(name: str, kind: str) -> Any:
    return KINDS[kind](task_type=TASKS[name], num_virtual_tokens=2)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_masks_after_an_adapter_with_virtual_tokens(name: str, kind: str) -> None:
    model = peft.get_peft_model(build(name), adapter(name, kind))
    with pytest.raises(
        PretrainedError, match=f"masks cannot be combined with an adapter of the kind {kind}.*use LoRA or IA3"
    ):
        apply_masks(model, MASKS)
    apply_masks(model, Program())


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_mask", [True, False])
def test_an_adapter_with_virtual_tokens_after_masks(name: str, kind: str, with_mask: bool) -> None:
    masks: dict[str, Any] = {"decoder": "window(1)", "cross": "window(2)"} if name.startswith("T5") else MASKS
    model = peft.get_peft_model(apply_masks(build(name), masks), adapter(name, kind)).eval()
    inputs = batch(name)
    if not with_mask:
        del inputs["attention_mask"]
    if kind == "MULTITASK_PROMPT_TUNING":
        inputs["task_ids"] = torch.zeros(len(inputs["input_ids"]), dtype=torch.int64)
    calls = [inputs]
    if name.startswith("T5") and kind != "MULTITASK_PROMPT_TUNING":
        written = {"decoder_input_ids": inputs["labels"].clamp(min=0)}
        calls.append({key: value for key, value in inputs.items() if key != "labels"} | written)
    for call in calls:
        with pytest.raises(PretrainedError, match=r"irtual tokens|prefix tuning"):
            model(**call)


def test_prefix_tuning_writes_no_text_under_masks() -> None:
    name = "T5ForConditionalGeneration"
    model = peft.get_peft_model(apply_masks(build(name), {"decoder": "window(1)"}), adapter(name, "PREFIX_TUNING"))
    sources = {key: value for key, value in batch(name).items() if key != "labels"}
    with pytest.raises(PretrainedError, match="the cache holds keys of no token: virtual tokens"):
        model.eval().generate(**sources, max_new_tokens=2)


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "P_TUNING"])
def test_under_standard_masks_virtual_tokens_are_those_of_the_stock_model(kind: str) -> None:
    name = "BertForSequenceClassification"
    torch.manual_seed(0)
    stock = peft.get_peft_model(build(name), adapter(name, kind)).eval()
    torch.manual_seed(0)
    ours = apply_masks(peft.get_peft_model(build(name), adapter(name, kind)).eval(), Program())
    inputs = {key: value for key, value in batch(name, lengths=(7, 7)).items() if key != "attention_mask"}
    torch.testing.assert_close(ours(**inputs).logits, stock(**inputs).logits)


@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration"])
def test_embeddings_of_ones_own_say_which_are_tokens(name: str) -> None:
    model, inputs = apply_masks(build(name), MASKS), batch(name)
    expected = model(**inputs)[0]
    inputs["inputs_embeds"] = model.get_input_embeddings()(inputs.pop("input_ids"))
    assert model(**inputs)[0].equal(expected)
    del inputs["attention_mask"]
    with pytest.raises(PretrainedError, match="inputs_embeds alone do not say which of them are tokens"):
        model(**inputs)
    apply_masks(model, Program())(**inputs)
