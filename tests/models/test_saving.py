"""A saved model has the same files whichever process saves it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

SAVE = """
import sys
from pathlib import Path
import torch
from transformers import BertConfig, BertForSequenceClassification
from finetune import models
from finetune.recipe import Adapter

folder, targets = Path(sys.argv[1]), ["value", "query", "key", "output.dense"]
torch.manual_seed(0)
sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
for kind in ("lora", "ia3"):
    model = BertForSequenceClassification(BertConfig(vocab_size=50, **sizes))
    adapted = models.adapt(model, Adapter(kind=kind, targets=targets), "text_classification", seed=0)
    models.save_weights(adapted, folder / kind)
"""


def test_the_order_of_sets_does_not_matter(tmp_path: Path) -> None:
    """Python orders sets of texts anew in each process."""
    pytest.importorskip("peft")
    saved = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SAVE, str(folder)], env=environment, cwd=ROOT, check=True)
        saved.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert {Path("lora/adapter_config.json"), Path("ia3/adapter_model.safetensors")} <= saved[0].keys()
    assert saved[0] == saved[1]
