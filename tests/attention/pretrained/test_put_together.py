"""Two pretrained encoders put together as encoder and decoder: each attention module keeps a config of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, EncoderDecoderModel

from finetune.attention.pretrained import apply_masks, remove_masks
from finetune.attention.pretrained.interface import NAME

ROOT = Path(__file__).parents[3]


@pytest.fixture
def put_together(tmp_path: Path) -> EncoderDecoderModel:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(tmp_path)
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(str(tmp_path), str(tmp_path))
    model.config.decoder_start_token_id, model.config.pad_token_id = 1, 0
    model.train(False)
    assert isinstance(model, EncoderDecoderModel)
    return model


def logits(model: EncoderDecoderModel) -> torch.Tensor:
    source = torch.tensor([[1, 7, 8, 9, 2], [1, 5, 2, 0, 0]])
    target = torch.tensor([[1, 11, 12, 2], [1, 13, 14, 2]])
    with torch.no_grad():
        found: torch.Tensor = model(
            input_ids=source,
            attention_mask=(source != 0).long(),
            decoder_input_ids=target,
            decoder_attention_mask=torch.ones_like(target),
        ).logits
    return found


def test_standard_masks_leave_the_logits(put_together: EncoderDecoderModel) -> None:
    stock = logits(put_together)
    apply_masks(put_together, {})
    torch.testing.assert_close(logits(put_together), stock)


def test_masks_reach_every_layer_and_can_be_removed(put_together: EncoderDecoderModel) -> None:
    stock = logits(put_together)
    apply_masks(put_together, {"encoder": "window(0)"})
    assert not torch.allclose(logits(put_together), stock)
    remove_masks(put_together)
    torch.testing.assert_close(logits(put_together), stock)
    configs: list[Any] = [module.config for module in put_together.modules() if hasattr(module, "config")]
    assert all(config._attn_implementation != NAME for config in configs)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("masks", [(), ("attention.encoder=window(4)",)])
def test_a_pretrained_encoder_trains_text_to_text(tmp_path: Path, masks: tuple[str, ...]) -> None:
    rows = [f"a {word} film,one {word} movie" for word in ("good", "bad", "long", "short", "new")] * 8
    (tmp_path / "data.csv").write_text("source,target\n" + "\n".join(f"{row} {i}" for i, row in enumerate(rows)))
    (tmp_path / "recipe.yaml").write_text(
        "name: both\n"
        "task: {kind: text_to_text, max_source_length: 16, max_target_length: 16, num_beams: 2}\n"
        "model: {name: null, sample: minilm}\n"
        f"data: {{path: {tmp_path / 'data.csv'}}}\n"
        f"output_dir: {tmp_path / 'runs'}\n"
        "training: {steps: 2, batch_size: 8, precision: fp32}\n"
    )
    command = [sys.executable, "finetune/run.py", f"recipe={tmp_path / 'recipe.yaml'}", *masks]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.glob("runs/both/*/results.json"))
