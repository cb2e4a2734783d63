"""Where finetune is not installed, models with masks obey them or do not load."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertForSequenceClassification,
    PreTrainedModel,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormForSequenceClassification,
)

from finetune.attention import Program
from finetune.attention.masks import custom
from finetune.attention.pretrained import apply_masks, like_bert, register_family, unregister_family
from finetune.models import save_weights
from finetune.models.stored_config import read_config
from tests.attention.pretrained.tiny import BERT, batch, build

AUTO_CLASSES: dict[str, Any] = {
    "BertForSequenceClassification": AutoModelForSequenceClassification,
    "BertForTokenClassification": AutoModelForTokenClassification,
    "T5ForSequenceClassification": AutoModelForSequenceClassification,
    "T5ForTokenClassification": AutoModelForTokenClassification,
    "T5ForConditionalGeneration": AutoModelForSeq2SeqLM,
    "EncoderDecoderModel": AutoModelForSeq2SeqLM,
}
OWN_MODEL = "BertForSequenceClassification"
OWN = """
from dataclasses import dataclass
import torch
from finetune.attention.masks import Mask, register_mask, register_predicate


@dataclass(frozen=True, repr=False)
class StepsBefore(Mask):
    name = "steps_before"
    back: int

    def allowed(self, scope, head, q, k):
        return k == q - self.back


@register_mask
def steps_before(back):
    return StepsBefore(back)


def second_keys(scope, head, q, k):
    return (k % 2 == 0) & (head == 0)


@register_predicate("near_or_first", length=False, by_head=False)
def near(scope, head, q, k):
    return (torch.abs(q - k) < 2) | (k == 0)
"""
PROGRAM = {"encoder": {"mask": "window(1) | global_tokens(star)", "layers": {"-1": "per_head(window(2), full())"}}}

ELSEWHERE = """
import sys
import warnings

sys.modules["finetune"] = None  # an import of it fails
import torch
import transformers

warnings.simplefilter("ignore")
for number, (auto_class, folder) in enumerate(zip(sys.argv[1::2], sys.argv[2::2])):
    loader = getattr(transformers, auto_class)
    inputs = torch.load(folder + "/inputs.pt")
    model = loader.from_pretrained(folder, trust_remote_code=True)
    with torch.inference_mode():
        torch.save(model(**inputs).logits, folder + "/logits.pt")
    model.save_pretrained(folder + "/again")
    again = loader.from_pretrained(folder + "/again", trust_remote_code=True)
    with torch.inference_mode():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    if auto_class == "AutoModelForSeq2SeqLM":
        sources = {name: value for name, value in inputs.items() if name in ("input_ids", "attention_mask")}
        torch.save(model.generate(**sources, max_new_tokens=5, do_sample=False), folder + "/generated.pt")
assert sys.modules["finetune"] is None
"""


def masked(name: str) -> PreTrainedModel:
    return apply_masks(build(name), PROGRAM, special_tokens={"star": [7, 8]})


def with_own_code(folder: Path) -> PreTrainedModel:
    """Return a model with masks of a user's module, one of which the module registers itself."""
    (folder / "own_masks.py").write_text(OWN)
    spec = importlib.util.spec_from_file_location("own_masks", folder / "own_masks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    layers = {"0": ~custom(module.second_keys)}
    masks = {"encoder": {"mask": "custom(near_or_first) | steps_before(3)", "layers": layers}}
    return apply_masks(build(OWN_MODEL), masks)


def logits(model: PreTrainedModel, name: str) -> torch.Tensor:
    with torch.inference_mode():
        return model(**batch(name)).logits  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Save models with masks, and their logits in a process without finetune."""
    parent = tmp_path_factory.mktemp("standalone")
    words: list[str] = []
    for name, auto_class in AUTO_CLASSES.items():
        save_weights(masked(name), parent / name)
        torch.save(batch(name), parent / name / "inputs.pt")
        words += [auto_class.__name__, str(parent / name)]
    (parent / "own").mkdir()
    own = with_own_code(parent)
    save_weights(own, parent / "own")
    torch.save(batch(OWN_MODEL), parent / "own" / "inputs.pt")
    torch.save(logits(own, OWN_MODEL), parent / "own" / "expected.pt")
    words += [AUTO_CLASSES[OWN_MODEL].__name__, str(parent / "own")]
    modules = {"HF_MODULES_CACHE": str(parent / "modules"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", ELSEWHERE, *words]
    done = subprocess.run(command, cwd=parent, env=os.environ | modules, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: parent / name for name in (*AUTO_CLASSES, "own")}


@pytest.mark.parametrize("name", AUTO_CLASSES)
def test_the_same_logits_without_finetune(name: str, folders: dict[str, Path]) -> None:
    elsewhere = torch.load(folders[name] / "logits.pt")
    torch.testing.assert_close(elsewhere, logits(masked(name), name), atol=1e-5, rtol=0)
    assert (elsewhere - logits(build(name), name)).abs().max() > 1e-3, "the masks do something"


def test_masks_of_the_users_travel_with_their_module(folders: dict[str, Path]) -> None:
    elsewhere = torch.load(folders["own"] / "logits.pt")
    torch.testing.assert_close(elsewhere, torch.load(folders["own"] / "expected.pt"), atol=1e-5, rtol=0)
    assert (elsewhere - logits(build(OWN_MODEL), OWN_MODEL)).abs().max() > 1e-3, "the masks do something"


@pytest.mark.parametrize("name", [name for name, auto in AUTO_CLASSES.items() if auto is AutoModelForSeq2SeqLM])
def test_the_same_texts_without_finetune(name: str, folders: dict[str, Path]) -> None:
    sources = {key: value for key, value in batch(name).items() if key != "labels"}
    generated = masked(name).generate(**sources, max_new_tokens=5, do_sample=False)  # type: ignore[operator]
    assert torch.load(folders[name] / "generated.pt").equal(generated)


@pytest.mark.parametrize("name", AUTO_CLASSES)
@pytest.mark.parametrize("options", [{}, {"attn_implementation": "sdpa"}])
def test_without_its_code_it_does_not_load(name: str, options: dict[str, str], folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        AUTO_CLASSES[name].from_pretrained(folders[name], trust_remote_code=False, **options)


@pytest.mark.parametrize("name", AUTO_CLASSES)
@pytest.mark.parametrize("options", [{}, {"attn_implementation": "eager"}, {"trust_remote_code": True}], ids=str)
@pytest.mark.parametrize("place", [".", "again"])
def test_a_stock_class_does_not_load_it(
    name: str, options: dict[str, Any], place: str, folders: dict[str, Path]
) -> None:
    """Neither the saved model nor one that transformers has saved again loads by its stock class."""
    with pytest.raises(StrictDataclassError, match="masks_that_need_trust_remote_code"):
        type(build(name)).from_pretrained(folders[name] / place, **options)


@pytest.mark.parametrize("name", AUTO_CLASSES)
def test_finetune_needs_no_code_from_it(name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config(str(folders[name]))
    assert type(config) is type(build(name).config)
    assert not hasattr(config, "auto_map")
    assert config._attn_implementation is None


def test_a_model_with_standard_masks_is_an_ordinary_one(tmp_path: Path) -> None:
    model = apply_masks(build("BertForSequenceClassification"), Program())
    save_weights(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert "auto_map" not in json.loads((tmp_path / "config.json").read_text())
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(loaded) is BertForSequenceClassification
    assert type(read_config(str(tmp_path))) is type(AutoConfig.from_pretrained(tmp_path))


def test_code_of_several_versions_lives_in_one_program(folders: dict[str, Path]) -> None:
    """The copy of the code beside a model can be used together with the installed finetune."""
    name = "BertForSequenceClassification"
    own = masked(name)
    theirs = AUTO_CLASSES[name].from_pretrained(folders[name], trust_remote_code=True)
    assert type(theirs).__module__.startswith("transformers_modules")
    assert theirs.config._attn_implementation != own.config._attn_implementation
    torch.testing.assert_close(logits(theirs, name), logits(own, name))


def test_a_family_that_was_registered_travels_with_the_model(tmp_path: Path) -> None:
    family = register_family(like_bert("RoBERTa-PreLayerNorm", "RobertaPreLayerNorm", "roberta-prelayernorm"))
    try:
        torch.manual_seed(0)
        options: dict[str, Any] = dict(BERT)
        model = RobertaPreLayerNormForSequenceClassification(RobertaPreLayerNormConfig(**options)).eval()  # type: ignore[no-untyped-call]
        apply_masks(model, {"encoder": "window(1)"})
        save_weights(model, tmp_path)
        expected = logits(model, "BertForSequenceClassification")
    finally:
        unregister_family(family)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path, trust_remote_code=True)
    assert type(theirs).__module__.startswith("transformers_modules")
    torch.testing.assert_close(logits(theirs, "BertForSequenceClassification"), expected)
