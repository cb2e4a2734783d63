"""Masks together with PEFT's adapters."""

import pytest
import torch

from finetune.attention.pretrained import PretrainedError, apply_masks
from tests.attention.pretrained.test_training import ALL, ENCODER, PROGRAM, TOKENS, assert_same, inputs_of, masked, run
from tests.attention.pretrained.tiny import batch, build

peft = pytest.importorskip("peft")


@ALL
def test_lora_can_come_before_and_after_the_masks(name: str) -> None:
    inputs = inputs_of(name)
    targets = ["q", "v"] if name.startswith("T5") else ["query", "value"]
    kind = peft.TaskType.TOKEN_CLS if name.startswith("Bert") else peft.TaskType.SEQ_2_SEQ_LM
    config = peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False, task_type=kind)
    torch.manual_seed(0)
    after = peft.get_peft_model(masked(name), config)
    torch.manual_seed(0)
    before = peft.get_peft_model(build(name), config)
    apply_masks(before, ENCODER if name.startswith("Bert") else PROGRAM, special_tokens=TOKENS)
    torch.manual_seed(0)
    stock = peft.get_peft_model(build(name), config)
    found = run(after.eval(), inputs)
    assert_same(run(before.eval(), inputs), found)
    assert all("lora" in key or "classifier" in key for key in found[1])
    assert not stock.eval()(**batch(name)).logits.isclose(found[0], atol=1e-3).all(-1).any()
    assert isinstance(after, peft.PeftModel)
    merged = after.merge_and_unload()
    torch.testing.assert_close(merged(**inputs).logits, found[0], atol=1e-4, rtol=1e-4)


def test_prefix_tuning_is_refused() -> None:
    config = peft.PrefixTuningConfig(task_type=peft.TaskType.TOKEN_CLS, num_virtual_tokens=2)
    model = peft.get_peft_model(apply_masks(build("BertForTokenClassification"), {"encoder": "window(1)"}), config)
    with pytest.raises(PretrainedError, match="prefix tuning"):
        model(**batch("BertForTokenClassification"))
