"""`finetune.load`: from the Hub, a model's folder or a run's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

import finetune
import finetune.attention.pretrained
import finetune.hub
from finetune.attention import Program
from finetune.attention.pretrained import apply_masks
from finetune.errors import UserError
from finetune.hub import push
from finetune.hub.account import Repository
from finetune.models import save_weights
from tests.hub_server.fixtures import TOKEN
from tests.hub_server.hub import Hub


def logits(loaded: finetune.hub.TrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(**loaded.tokenizer(["good old film"], return_tensors="pt")).logits  # type: ignore[no-any-return]


@pytest.fixture
def masked(run: Path) -> Path:
    """The run, with masks of its own."""
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    save_weights(apply_masks(model, {"encoder": "window(1)"}), run / "model")
    return run


def test_a_run_or_its_model(run: Path) -> None:
    model, tokenizer, masks = finetune.load(run)
    assert masks == Program()
    assert not model.training
    assert logits(finetune.load(run / "model")).equal(logits(finetune.load(str(run))))
    assert tokenizer.tokenize("good film") == ["good", "film"]


def test_masks_come_along(masked: Path) -> None:
    loaded = finetune.load(masked)
    assert loaded.masks == Program.from_config({"encoder": "window(1)"})
    stock = finetune.load(masked)._replace(model=finetune.attention.pretrained.remove_masks(loaded.model))
    assert not logits(finetune.load(masked)).equal(logits(stock))


def test_from_the_hub(hub: Hub, masked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    push(masked, Repository("ada/films"))
    pulled = finetune.load("ada/films", cache_dir=tmp_path / "empty")
    assert pulled.masks == finetune.load(masked).masks
    assert logits(pulled).equal(logits(finetune.load(masked)))
    names = [path.name for path in (tmp_path / "empty").rglob("*")]
    assert not any(name.endswith(".py") for name in names), "no code is fetched"


def test_what_is_no_model(hub: Hub, tmp_path: Path, run: Path) -> None:
    with pytest.raises(UserError, match="no model ada/none on the Hub"):
        finetune.load("ada/none")
    with pytest.raises(UserError, match="holds no model"):
        finetune.load(tmp_path / "runs")


def test_a_model_for_no_task(run: Path) -> None:
    config = run / "model" / "config.json"
    config.write_text(config.read_text().replace("BertForSequenceClassification", "BertModel"))
    with pytest.raises(UserError, match="trained for no task that is known here"):
        finetune.load(run)


def test_pickled_weights_are_not_read(run: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    (run / "model" / "model.safetensors").unlink()
    torch.save(model.state_dict(), run / "model" / "pytorch_model.bin")
    with pytest.raises(UserError, match="not in the safetensors format"):
        finetune.load(run)


def test_plain_transformers_pulls_the_code_where_it_is_trusted(
    hub: Hub, masked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    push(masked, Repository("ada/films"))
    options = {"cache_dir": tmp_path / "empty"}
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        AutoModelForSequenceClassification.from_pretrained("ada/films", trust_remote_code=False, **options)
    pulled = AutoModelForSequenceClassification.from_pretrained("ada/films", trust_remote_code=True, **options)
    assert type(pulled).__module__.startswith("transformers_modules.ada.films")
    loaded = finetune.load(masked)
    torch.testing.assert_close(logits(loaded._replace(model=pulled)), logits(loaded), atol=1e-5, rtol=0)


@pytest.mark.parametrize("missing", ["classifier.weight", "bert.encoder.layer.1.output.dense.bias"])
def test_weights_that_are_not_there_are_not_drawn_at_random(run: Path, missing: str) -> None:
    path = run / "model" / "model.safetensors"
    weights = load_file(path)
    save_file({name: weight for name, weight in weights.items() if name != missing}, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match=missing):
        finetune.load(run)


def test_push_to_hub_of_transformers_publishes_the_code_of_the_masks(
    hub: Hub, masked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    loaded = finetune.load(masked)
    loaded.model.push_to_hub("ada/own")  # type: ignore[arg-type]
    options = {"cache_dir": tmp_path / "empty"}
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        AutoModelForSequenceClassification.from_pretrained("ada/own", trust_remote_code=False, **options)
    pulled = AutoModelForSequenceClassification.from_pretrained("ada/own", trust_remote_code=True, **options)
    torch.testing.assert_close(logits(loaded._replace(model=pulled)), logits(loaded), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"])
def test_masks_beside_an_adapter_with_virtual_tokens_are_refused(run: Path, tmp_path: Path, kind: str) -> None:
    peft = pytest.importorskip("peft")
    base = AutoModelForSequenceClassification.from_pretrained(run / "model")
    options: dict[str, Any] = {"P_TUNING": {"encoder_hidden_size": 16}}.get(kind, {})
    config = peft.get_peft_config({"peft_type": kind, "task_type": "SEQ_CLS", "num_virtual_tokens": 2, **options})
    folder = tmp_path / "adapter"
    peft.get_peft_model(base, config).save_pretrained(folder)
    finetune.load(run).tokenizer.save_pretrained(folder)
    stored = json.loads((run / "model" / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(stored))
    assert finetune.load(folder).masks == Program()
    (folder / "config.json").write_text(json.dumps(stored | {"attention_masks": {"program": {"encoder": "window(1)"}}}))
    with pytest.raises(UserError, match=f"put under its masks: .* an adapter of the kind {kind}: virtual tokens"):
        finetune.load(folder)
