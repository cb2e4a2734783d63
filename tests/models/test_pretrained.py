import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    GPT2Config,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from finetune import recipe
from finetune.attention.pretrained import KNOWN_FAMILIES, Family
from finetune.errors import UserError
from finetune.models import Head, load_model
from finetune.models.quiet import quiet

Batch = Callable[[PreTrainedTokenizerBase], dict[str, Tensor]]
Labels = tuple[str, ...] | None
Same = Callable[[PreTrainedModel, PreTrainedModel], bool]


@pytest.fixture
def folder(architecture: str, folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the pretrained folder, to be spoilt."""
    return shutil.copytree(folders[architecture], tmp_path / "model")


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, edit: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    path = folder / "model.safetensors"
    weights = {name: weight.clone() for name, weight in load_file(path).items()}
    save_file(edit(weights), path, metadata={"format": "pt"})


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> recipe.Model:
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return recipe.Model(name=str(folder))


def test_every_weight_that_is_trained_gets_a_gradient(
    pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels, batch: Batch
) -> None:
    model = load_model(pretrained, head, tokenizer, labels=labels, seed=0)
    model(**batch(tokenizer)).loss.backward()
    idle = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert idle == []


def test_the_pretrained_weights_are_taken_over(
    pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels
) -> None:
    model = load_model(pretrained, head, tokenizer, labels=labels, seed=0)
    stored = load_file(Path(str(pretrained.name)) / "model.safetensors")
    taken = {name: weight for name, weight in model.state_dict().items() if "encoder" in name}
    for name, weight in stored.items():
        if name.startswith("encoder."):
            twins = [other for key, other in taken.items() if key.endswith(name)]
            assert twins
            assert all(torch.equal(weight, twin) for twin in twins)


def test_what_is_new_depends_on_the_seed_alone(
    pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels, same_weights: Same
) -> None:
    state = torch.get_rng_state()
    one, again, other = (load_model(pretrained, head, tokenizer, labels=labels, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert same_weights(one, again)
    complete = not same_weights(one, other)
    assert complete or (one.config.model_type == "t5" and head == "text_to_text")


def test_a_saved_model_loads_as_it_was(
    pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels, batch: Batch,
    tmp_path: Path,
) -> None:  # fmt: skip
    model = load_model(pretrained, head, tokenizer, labels=labels, seed=0)
    again = load_model(save(model, tokenizer, tmp_path), head, tokenizer, labels=labels, seed=1)
    assert type(again) is type(model)
    inputs = batch(tokenizer)
    assert torch.equal(model(**inputs).logits, again(**inputs).logits)
    if labels is not None:
        assert again.config.id2label == dict(enumerate(labels))


def test_loading_says_nothing(
    pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels,
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    load_model(pretrained, head, tokenizer, labels=labels, seed=0)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_an_encoder_becomes_encoder_and_decoder(
    folders: dict[str, Path], tokenizers: dict[str, PreTrainedTokenizerFast]
) -> None:
    tokenizer = tokenizers["bert"]
    model = load_model(recipe.Model(name=str(folders["bert"])), "text_to_text", tokenizer, labels=None, seed=0)
    for settings in (model.config, model.generation_config):
        assert settings.decoder_start_token_id == tokenizer.cls_token_id
        assert settings.eos_token_id == tokenizer.sep_token_id
        assert settings.pad_token_id == tokenizer.pad_token_id
    assert model.config.vocab_size == len(tokenizer)
    generated = model.generate(  # type: ignore[operator]
        **tokenizer(["a file", "moved"], padding=True, return_tensors="pt"), max_new_tokens=3
    )
    assert generated.shape[0] == 2
    assert set(generated[:, 0].tolist()) == {tokenizer.cls_token_id}


def test_a_head_of_many_labels_is_kept(
    folders: dict[str, Path], tokenizers: dict[str, PreTrainedTokenizerFast], same_weights: Same, tmp_path: Path
) -> None:
    labels = tuple(f"label {number}" for number in range(12))
    pretrained = recipe.Model(name=str(folders["bert"]))
    model = load_model(pretrained, "token_classification", tokenizers["bert"], labels=labels, seed=0)
    saved = save(model, tokenizers["bert"], tmp_path)
    # Earlier releases of transformers stored label 10 before label 2.
    edit_config(tmp_path, id2label={key: f"label {key}" for key in sorted(map(str, range(12)))})
    again = load_model(saved, "token_classification", tokenizers["bert"], labels=labels, seed=1)
    assert same_weights(model, again)


@pytest.mark.parametrize("new_labels", [("bad", "good"), ("good", "fair", "bad")])
@pytest.mark.parametrize("head", ["text_classification", "token_classification"], indirect=True)
def test_a_head_for_other_labels_is_replaced_and_that_is_said(
    pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels,
    new_labels: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    first = load_model(pretrained, head, tokenizer, labels=labels, seed=0)
    saved = save(first, tokenizer, tmp_path)
    kept = load_model(saved, head, tokenizer, labels=labels, seed=0)
    assert caplog.messages == []
    other = load_model(saved, head, tokenizer, labels=new_labels, seed=1)
    assert "other labels (bad, fair, good)" in caplog.text
    last = next(reversed(other.state_dict()))
    assert len(other.state_dict()[last]) == len(new_labels)
    weight = last.replace("bias", "weight")
    assert torch.equal(first.state_dict()[weight], kept.state_dict()[weight])
    assert not torch.equal(first.state_dict()[weight][:2], other.state_dict()[weight][:2])


def test_weights_in_half_precision_are_widened(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    edit_weights(folder, lambda weights: {name: weight.bfloat16() for name, weight in weights.items()})
    edit_config(folder, dtype="bfloat16")
    model = load_model(recipe.Model(name=str(folder)), "token_classification", tokenizer, labels=("O",), seed=0)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_dropout_of_the_recipe(pretrained: recipe.Model, tokenizer: PreTrainedTokenizerFast, head: Head,
                               labels: Labels) -> None:  # fmt: skip
    changed = pretrained.model_copy(update={"dropout": 0.4})
    model = load_model(changed, head, tokenizer, labels=labels, seed=0)
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.4}


@pytest.mark.parametrize("known", KNOWN_FAMILIES, ids=lambda family: family.name)
def test_every_family_can_be_trained(
    known: Family, tokenizers: dict[str, PreTrainedTokenizerFast], tmp_path: Path
) -> None:
    (model_type,) = known.model_types
    tokenizer = tokenizers["t5" if known.is_encoder_decoder else "bert"]
    width = {"hidden_size": 16, "dim": 16, "d_model": 16, "embedding_size": 16, "d_kv": 8}
    depth = {"num_hidden_layers": 1, "n_layers": 1, "num_layers": 1, "num_attention_heads": 2, "n_heads": 2}
    config = AutoConfig.for_model(
        model_type, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, num_heads=2, **width, **depth
    )
    with quiet():
        body = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    saved = save(body, tokenizer, tmp_path)
    model = load_model(saved, "token_classification", tokenizer, labels=("O", "B-X"), seed=0)
    input_ids = tokenizer("a file", return_tensors="pt")["input_ids"]
    model(input_ids=input_ids, labels=input_ids % 2).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())


def refused(folder: Path, head: Head, tokenizer: PreTrainedTokenizerFast, labels: Labels) -> str:
    with pytest.raises(UserError) as error:
        load_model(recipe.Model(name=str(folder)), head, tokenizer, labels=labels, seed=0)
    return str(error.value)


def test_a_missing_layer_is_refused(
    folder: Path, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels
) -> None:
    def without_last_layer(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        last = re.compile(r"(en|de)coder\.(layer|block)\.1\.")
        return {name: weight for name, weight in weights.items() if not last.match(name)}

    edit_weights(folder, without_last_layer)
    assert "are incomplete" in refused(folder, head, tokenizer, labels)


def test_weights_of_another_shape_are_refused(
    folder: Path, tokenizer: PreTrainedTokenizerFast, head: Head, labels: Labels
) -> None:
    edit_config(folder, intermediate_size=48, d_ff=48)
    message = refused(folder, head, tokenizer, labels)
    assert "do not fit its configuration" in message
    assert "[64, 32] instead of [48, 32]" in message


def test_pickled_weights_are_refused(folder: Path, tokenizer: PreTrainedTokenizerFast, head: Head,
                                     labels: Labels) -> None:  # fmt: skip
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "not in the safetensors format" in refused(folder, head, tokenizer, labels)


def test_damaged_weights_are_refused(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "are damaged" in refused(folder, "token_classification", tokenizer, ("O",))


@pytest.mark.parametrize("content", ["{", "{}", '{"model_type": "unheard-of"}'])
def test_an_unreadable_configuration_is_refused(folder: Path, tokenizer: PreTrainedTokenizerFast, content: str) -> None:
    (folder / "config.json").write_text(content)
    assert "config.json" in refused(folder, "token_classification", tokenizer, ("O",))


def test_another_family_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast, head: Head,
                                   labels: Labels) -> None:  # fmt: skip
    GPT2Config().save_pretrained(tmp_path)
    assert "gpt2" in refused(tmp_path, head, tokenizer, labels)


def test_an_unreachable_hub_is_one_message(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UserError, match="Hub cannot be reached"):
        load_model(recipe.Model(name="owner/name"), "text_to_text", tokenizer, labels=None, seed=0)
