"""A model with masks that `save_pretrained` has written obeys its masks, or does not load."""

import copy
import json
import pickle
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoModelForTokenClassification,
    BertForTokenClassification,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)

from finetune.attention.layer_numbers import ProgramError
from finetune.attention.masks import MaskError, register_predicate
from finetune.attention.masks.scope import Scope
from finetune.attention.pretrained import (
    CONFIG_KEY,
    PretrainedError,
    apply_masks,
    apply_saved_masks,
    remove_masks,
    saved_masks,
)
from finetune.attention.program import Program
from finetune.models.stored_config import read_config
from tests.attention.pretrained.tiny import batch, bert_config, build

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


def refuses_without_code(name: str, folder: Path) -> None:
    """Neither an automatic class nor the stock class loads the folder without its code."""
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        LOADERS[name].from_pretrained(folder, trust_remote_code=False)
    with pytest.raises(StrictDataclassError, match="masks_that_need_trust_remote_code"):
        type(build(name)).from_pretrained(folder)


@NAMES
def test_a_saved_model_carries_its_program_and_the_code_that_obeys_it(name: str, tmp_path: Path) -> None:
    model = masked(name)
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())[CONFIG_KEY]
    assert saved["program"]["encoder"]["layers"] == {"-1": "per_head(window(2), full())"}
    assert saved["special_tokens"] == {"star": [7, 8]}
    loaded = LOADERS[name].from_pretrained(tmp_path, trust_remote_code=True)
    assert logits(loaded, name).equal(logits(model, name))
    program, special_tokens = saved_masks(read_config(str(tmp_path))) or (None, None)
    assert program == Program.from_config(saved["program"])
    assert special_tokens == {"star": [7, 8]}
    refuses_without_code(name, tmp_path)
    loaded.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())[CONFIG_KEY] == saved
    refuses_without_code(name, tmp_path / "again")


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_save_themselves(make: Callable[[PreTrainedModel], PreTrainedModel], tmp_path: Path) -> None:
    name = "BertForTokenClassification"
    model = masked(name)
    copied = make(model)
    with torch.no_grad():
        copied.get_parameter("classifier.bias").fill_(3.0)
    copied.save_pretrained(tmp_path)
    refuses_without_code(name, tmp_path)
    assert bool((load_file(tmp_path / "model.safetensors")["classifier.bias"] == 3.0).all())


def test_no_cycle_keeps_a_model_in_memory() -> None:
    model = masked("BertForTokenClassification")
    gone = weakref.ref(model)
    del model
    assert gone() is None


def test_a_model_is_of_its_own_class_and_of_that_alone_without_masks() -> None:
    model = masked("BertForTokenClassification")
    assert isinstance(model, BertForTokenClassification)
    assert type(model).__name__ == "BertForTokenClassification"
    assert type(remove_masks(model)) is BertForTokenClassification
    assert type(apply_masks(model, Program())) is BertForTokenClassification


@NAMES
def test_trainer_saves_the_masks_in_checkpoints_and_at_the_end(name: str, tmp_path: Path) -> None:
    rows = [{key: value[row % 2] for key, value in batch(name).items()} for row in range(4)]
    options: dict[str, Any] = {
        "save_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "load_best_model_at_end": True,
    }
    quiet: dict[str, Any] = {"report_to": [], "disable_tqdm": True, "use_cpu": True}
    arguments = TrainingArguments(str(tmp_path), max_steps=2, per_device_train_batch_size=2, **options, **quiet)
    trainer = Trainer(model=masked(name), args=arguments, train_dataset=rows, eval_dataset=rows)
    trainer.train()
    trainer.save_model(str(tmp_path / "final"))
    for folder in ("final", "checkpoint-1", "checkpoint-2"):
        refuses_without_code(name, tmp_path / folder)
    loaded = LOADERS[name].from_pretrained(tmp_path / "final", trust_remote_code=True)
    model = trainer.model
    assert isinstance(model, PreTrainedModel)
    assert logits(loaded, name).equal(logits(model.train(False), name))
    again = Trainer(model=masked(name), args=arguments, train_dataset=rows, eval_dataset=rows)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert again.state.global_step == 2


def test_an_adapted_model_is_saved_locked_beside_its_masks(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(task_type="TOKEN_CLS", target_modules=["query"])
    model = apply_masks(peft.get_peft_model(build("BertForTokenClassification"), config), {"encoder": "window(1)"})
    model.save_pretrained(tmp_path)
    with pytest.raises((KeyError, ValueError), match=r"under masks: finetune\.load loads it"):
        peft.PeftModel.from_pretrained(build("BertForTokenClassification"), tmp_path)
    program, _ = saved_masks(read_config(str(tmp_path))) or (None, None)
    assert program == Program.from_config({"encoder": "window(1)"})


def test_a_push_within_saving_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PretrainedError, match=r"call model.push_to_hub\(repo_id\)"):
        masked("BertForTokenClassification").save_pretrained(tmp_path, push_to_hub=True)
    assert not list(tmp_path.iterdir())


def test_a_class_that_no_automatic_class_loads_is_not_saved_without_masks(tmp_path: Path) -> None:
    class Own(BertForTokenClassification):  # type: ignore[no-untyped-call]
        pass

    model = apply_masks(Own(bert_config()), {"encoder": "window(1)"})
    with pytest.raises(PretrainedError, match="the masks of a Own cannot be saved"):
        model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())
    remove_masks(model).save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


def test_weights_are_saved_under_the_names_of_the_hub(tmp_path: Path) -> None:
    model, stock = masked("BertForTokenClassification"), build("BertForTokenClassification")
    assert model.state_dict().keys() == stock.state_dict().keys()
    model.save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == stock.state_dict().keys()


def test_without_masks_a_model_saves_as_stock(tmp_path: Path) -> None:
    model = remove_masks(masked("BertForTokenClassification"))
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}


def test_a_model_without_masks_stays_without(tmp_path: Path) -> None:
    model = build("BertModel")
    assert apply_saved_masks(model) is model
    apply_masks(model, Program()).save_pretrained(tmp_path)
    assert CONFIG_KEY not in json.loads((tmp_path / "config.json").read_text())


@pytest.mark.parametrize(
    ("saved", "error", "message"),
    [
        ("window(1)", PretrainedError, r"attention_masks cannot be read: expected a mapping .*found 'window\(1\)'"),
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


def test_a_predicate_that_is_not_there_any_more_is_asked_for() -> None:
    @register_predicate("only_here", length=False, by_head=False)
    def only_here(scope: Scope, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return (q + k) % 2 == 0

    model = apply_masks(build("BertModel"), {"encoder": "custom(only_here)"})
    assert apply_saved_masks(model) is model
    model.config.attention_masks["program"]["encoder"] = "custom(gone)"
    with pytest.raises((ProgramError, MaskError), match=r"no predicate is registered as 'gone'.*import the module"):
        apply_saved_masks(model)
