"""Names in saved configurations are part of the file format: models that were saved earlier must still load."""

from typing import Any

from finetune.attention.pretrained import apply_saved_masks, remove_masks, saved_masks
from finetune.attention.pretrained.config_names import PREFIX
from finetune.attention.program import Program
from finetune.attention.standalone import stock_config
from tests.attention.pretrained.tiny import bert_config, build

SAVED: dict[str, Any] = {"program": {"encoder": "window(1)"}, "special_tokens": {"cls": [2]}}


def test_a_configuration_as_it_is_saved_is_read() -> None:
    config = bert_config(attention_masks=SAVED)
    assert saved_masks(config) == (Program.from_config(SAVED["program"]), {"cls": [2]})
    model = build("BertModel")
    model.config.attention_masks = SAVED
    assert not hasattr(remove_masks(apply_saved_masks(model)).config, "attention_masks")


def test_the_model_type_as_it_is_saved_is_that_of_the_stock_model_behind_a_prefix() -> None:
    assert PREFIX == "finetune_masks_"
    assert stock_config({"model_type": "finetune_masks_bert"}) == {"model_type": "bert"}
