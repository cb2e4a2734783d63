"""A Hub on this machine, and finished runs to publish."""

import time
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from finetune import compose
from finetune.recipe import Data, Model, Recipe, TextClassification
from tests.hub_server import library
from tests.hub_server.fixtures import TOKEN
from tests.hub_server.fixtures import hub as hub


@pytest.fixture(autouse=True)
def logged_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in, and nobody waits long, the Hub's client not either."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.001)))


@pytest.fixture
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is logged in."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    recipe = Recipe(
        name="films",
        task=TextClassification(max_length=16),
        model=Model(name="google-bert/bert-base-uncased"),
        data=Data(name="stanfordnlp/sst2"),
    )
    folder = tmp_path / "runs" / "films" / "2024-01-01_00-00-00"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(compose.to_yaml(recipe))
    (folder / "results.json").write_text('{"recipe": "films", "test": {"loss": 0.5, "accuracy": 0.75}}')
    (folder / "metrics.jsonl").write_text('{"step": 1, "dev_accuracy": 0.5}\n')
    (folder / "predictions_test.jsonl").write_text('{"id": 0, "input": "of a patient"}\n')
    tokenizer = library.bert_tokenizer(lowercase=True)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertForSequenceClassification(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder
