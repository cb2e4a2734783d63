import json
import warnings
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM, AutoModelForTokenClassification, PreTrainedModel

from finetune.attention.masks import MaskError, register_predicate
from finetune.attention.masks.scope import Scope
from finetune.attention.pretrained import CONFIG_KEY, PretrainedError, apply_masks, apply_saved_masks, saved_masks
from finetune.attention.program import Program, ProgramError
from tests.attention.pretrained.tiny import batch, build

LOADERS = {
    "BertForTokenClassification": AutoModelForTokenClassification,
    "T5ForConditionalGeneration": AutoModelForSeq2SeqLM,
    "EncoderDecoderModel": AutoModelForSeq2SeqLM,
}
NAMES = pytest.mark.parametrize("name", LOADERS)


def masked(name: str) -> PreTrainedModel:
    program = {"encoder": {"mask": "window(1) | global_tokens(star)", "layers": {"-1": "per_head(window(2), full())"}}}
    return apply_masks(build(name), program, special_tokens={"star": [7, 8], "unread": 3})


def logits(model: PreTrainedModel, name: str) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return model(**batch(name)).logits  # type: ignore[no-any-return]


@NAMES
def test_a_saved_model_carries_its_program(name: str, tmp_path: Path) -> None:
    model = masked(name)
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())[CONFIG_KEY]
    assert saved["program"]["encoder"]["layers"] == {"-1": "per_head(window(2), full())"}
    assert saved["special_tokens"] == {"star": [7, 8]}
    loaded = apply_saved_masks(LOADERS[name].from_pretrained(tmp_path))
    assert logits(loaded, name).equal(logits(model, name))
    loaded.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())[CONFIG_KEY] == saved
    program, special_tokens = saved_masks(AutoConfig.from_pretrained(tmp_path)) or (None, None)
    assert program == Program.from_config(saved["program"])
    assert special_tokens == {"star": [7, 8]}


@NAMES
def test_loaded_without_the_masks_a_model_is_stock(name: str, tmp_path: Path) -> None:
    """What a program that does not know of masks gets; the entry stays in the config."""
    masked(name).save_pretrained(tmp_path)
    loaded = LOADERS[name].from_pretrained(tmp_path)
    assert logits(loaded, name).equal(logits(build(name), name))
    assert hasattr(loaded.config, CONFIG_KEY)


def test_weights_are_saved_under_the_names_of_the_hub(tmp_path: Path) -> None:
    model, stock = masked("BertForTokenClassification"), build("BertForTokenClassification")
    assert model.state_dict().keys() == stock.state_dict().keys()
    model.save_pretrained(tmp_path)
    plain = AutoModel.from_pretrained(tmp_path)
    torch.testing.assert_close(
        dict(plain.state_dict()).get("encoder.layer.0.attention.self.query.weight"),
        stock.state_dict()["bert.encoder.layer.0.attention.self.query.weight"],
    )


def test_a_model_without_masks_stays_without(tmp_path: Path) -> None:
    model = build("BertModel")
    assert apply_saved_masks(model) is model
    apply_masks(model, Program()).save_pretrained(tmp_path)
    assert CONFIG_KEY not in json.loads((tmp_path / "config.json").read_text())


@pytest.mark.parametrize(
    ("saved", "error", "message"),
    [
        ("window(1)", PretrainedError, r"attention_masks cannot be read: 'window\(1\)'"),
        ({"special_tokens": {}}, PretrainedError, "cannot be read"),
        ({"program": {"encoder": "windows(1)"}}, ProgramError, "did you mean 'window'"),
        ({"program": {"encodre": "window(1)"}}, ProgramError, "no key 'encodre'"),
    ],
)
def test_a_program_that_cannot_be_read_is_not_dropped(saved: object, error: type[ValueError], message: str) -> None:
    model = build("BertModel")
    setattr(model.config, CONFIG_KEY, saved)
    with pytest.raises(error, match=message):
        apply_saved_masks(model)


def test_a_predicate_that_is_not_there_any_more_is_asked_for(tmp_path: Path) -> None:
    @register_predicate("only_here", length=False, by_head=False)
    def only_here(scope: Scope, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return (q + k) % 2 == 0

    apply_masks(build("BertModel"), {"encoder": "custom(only_here)"}).save_pretrained(tmp_path)
    assert apply_saved_masks(AutoModel.from_pretrained(tmp_path)) is not None
    config = json.loads((tmp_path / "config.json").read_text())
    config[CONFIG_KEY]["program"]["encoder"] = "custom(gone)"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises((ProgramError, MaskError), match=r"no predicate is registered as 'gone'.*import the module"):
        apply_saved_masks(AutoModel.from_pretrained(tmp_path))
