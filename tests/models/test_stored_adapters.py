"""Adapters that are read must be whole, and bring what their base lacks."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finetune import recipe
from finetune.models import adapt, load_model, save_weights
from tests.models.trained import (
    LABELS,
    Kind,
    Tokenizers,
    edit_json,
    edit_weights,
    refused,
    save_trained,
    times,
    use,
    without,
)

pytest.importorskip("peft")

ADAPTED = [(("bert", "text_classification"), kind) for kind in ("lora", "ia3", "prefix_tuning")]
ADAPTED += [(("bert", "token_classification"), "lora"), (("t5", "text_to_text"), "lora")]
ADAPTED += [(("t5", "text_to_text"), "prefix_tuning"), (("t5", "token_classification"), "ia3")]


@pytest.mark.parametrize(("kind", "adapter"), ADAPTED, ids=str)
def test_an_adapter_must_be_whole(
    kind: Kind, adapter: str, folders: dict[str, Path], tokenizers: Tokenizers, tmp_path: Path
) -> None:
    masks = None if adapter == "prefix_tuning" else {"encoder": "window(1)"}
    folder = save_trained(tmp_path / "model", kind, folders[kind[0]], tokenizers, masks, adapter)
    file = folder / "adapter_model.safetensors"
    whole, stored = file.read_bytes(), load_file(file)
    assert use(folder, kind, tokenizers)
    for name in (next(iter(stored)), list(stored)[-1]):
        edit_weights(folder, without(name))
        message = refused(folder, kind, tokenizers)
        assert name in message
        assert "incomplete" in message
        file.write_bytes(whole)
        edit_weights(folder, times(math.nan, name))
        assert "NaN or infinity" in refused(folder, kind, tokenizers)
        file.write_bytes(whole)
    edit_weights(folder, lambda weights: weights | {"base_model.model.of_another": torch.zeros(1)})
    assert "of_another" in refused(folder, kind, tokenizers)
    file.write_bytes(whole[:-10])
    assert "damaged" in refused(folder, kind, tokenizers)
    file.rename(folder / "adapter_model.bin")
    assert "not in the safetensors format" in refused(folder, kind, tokenizers)


@pytest.mark.parametrize("adapter", ["lora", "ia3", "prefix_tuning"])
def test_a_pooler_that_no_checkpoint_gave_is_saved_with_the_adapter(
    adapter: str, folders: dict[str, Path],
    tokenizers: Tokenizers, tmp_path: Path,
) -> None:  # fmt: skip
    kind: Kind = ("bert", "text_classification")
    body = tmp_path / "body"
    body.mkdir()
    for path in folders["bert"].iterdir():
        (body / path.name).write_bytes(path.read_bytes())
    edit_weights(body, without("pooler"))
    model = load_model(recipe.Model(name=str(body)), kind[1], tokenizers["bert"], labels=LABELS, seed=0)
    model = adapt(model, recipe.Adapter.model_validate({"kind": adapter}), kind[1], seed=0)
    assert any(weight.requires_grad for name, weight in model.named_parameters() if "pooler" in name)
    save_weights(model, tmp_path / "adapter")
    tokenizers["bert"].save_pretrained(tmp_path / "adapter")
    inputs = tokenizers["bert"]("a file", return_tensors="pt")
    loaded = use(tmp_path / "adapter", kind, tokenizers)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(**inputs).logits, model.train(False)(**inputs).logits)


def test_an_adapter_without_the_head_of_its_base(
    folders: dict[str, Path], tokenizers: Tokenizers, tmp_path: Path
) -> None:
    """Its configuration says that it brings no head, and the model that it belongs to has none."""
    kind: Kind = ("bert", "token_classification")
    folder = save_trained(tmp_path / "model", kind, folders[kind[0]], tokenizers, None, "lora")
    edit_json(folder / "adapter_config.json", modules_to_save=None, task_type=None)
    edit_weights(folder, without("classifier"))
    message = refused(folder, kind, tokenizers)
    assert "has no trained head for token_classification" in message
    assert "classifier.weight" in message
