"""Every attention module calls our attention function, whatever config it holds; otherwise the model is refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, EncoderDecoderConfig, EncoderDecoderModel, PreTrainedModel
from transformers.models.bert.modeling_bert import BertSelfAttention

from finetune.attention.pretrained import PretrainedError, apply_masks, remove_masks
from tests.attention.pretrained.tiny import PAD, SEP, START, batch, build

IDS = {"pad_token_id": PAD, "eos_token_id": SEP, "decoder_start_token_id": START}
PROGRAM = {"encoder": "window(1)", "decoder": "causal() & window(2)", "cross": "window(1)"}
NAMES = pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration", "EncoderDecoderModel"])


def put_together(folder: Path) -> EncoderDecoderModel:
    """Two halves that were loaded, under a config that was made first."""
    config = AutoModel.from_pretrained(folder).config
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config, type(config)(**config.to_dict()), **IDS)
    encoder = AutoModel.from_pretrained(folder, config=both.encoder)
    decoder = AutoModelForCausalLM.from_pretrained(folder, config=both.decoder)
    return EncoderDecoderModel(config=both, encoder=encoder, decoder=decoder)


def by_transformers(folder: Path) -> EncoderDecoderModel:
    pair = EncoderDecoderModel.from_encoder_decoder_pretrained(str(folder), str(folder))
    assert isinstance(pair, EncoderDecoderModel)
    for name, number in IDS.items():
        setattr(pair.config, name, number)
    return pair


def drawn(folder: Path) -> EncoderDecoderModel:
    """Two halves made of configs, which the caller keeps; nothing is loaded."""
    config = AutoModel.from_pretrained(folder).config
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config, type(config)(**config.to_dict()), **IDS)
    encoder, decoder = AutoModel.from_config(both.encoder), AutoModelForCausalLM.from_config(both.decoder)  # type: ignore[no-untyped-call]
    return EncoderDecoderModel(config=both, encoder=encoder, decoder=decoder)


WAYS = pytest.mark.parametrize("make", [put_together, by_transformers, drawn])
Make = Callable[[Path], EncoderDecoderModel]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretrained BERT."""
    folder = tmp_path_factory.mktemp("bert")
    build("BertModel").save_pretrained(folder)
    return folder


def configs(model: nn.Module) -> list[tuple[int, str | None]]:
    """Return the identity of each module's config, and the attention implementation that the config names."""
    held: list[Any] = [getattr(module, "config", None) for module in model.modules()]
    return [(id(config), config._attn_implementation) for config in held if config is not None]


def loss(model: PreTrainedModel) -> torch.Tensor:
    return model(**batch("EncoderDecoderModel")).loss  # type: ignore[no-any-return]


@WAYS
@pytest.mark.parametrize("program", [PROGRAM, {}], ids=["masks", "standard"])
def test_two_pretrained_encoders_put_together_obey_their_masks(
    make: Make, program: Mapping[str, Any], folder: Path
) -> None:
    model, same = make(folder).train(False), build("EncoderDecoderModel")
    model.load_state_dict(same.state_dict())
    stock = loss(model)
    masked = loss(apply_masks(model, program))
    assert masked.item() == pytest.approx(loss(apply_masks(same, program)).item(), abs=1e-6)
    assert (abs(masked.item() - stock.item()) > 1e-4) == bool(program)


@WAYS
def test_removing_masks_gives_each_module_its_config_back(make: Make, folder: Path) -> None:
    model = make(folder).train(False)
    model.encoder.set_attn_implementation("eager")
    before, stock = configs(model), loss(model)
    remove_masks(apply_masks(apply_masks(model, PROGRAM), {"encoder": "window(2)"}))
    assert configs(model) == before
    assert torch.equal(loss(model), stock)


@NAMES
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_setting_another_implementation_afterwards_is_refused(name: str, implementation: str) -> None:
    model = apply_masks(build(name), {"encoder": "window(1)"})
    model.set_attn_implementation(implementation)
    message = (
        f"was set to '{implementation}' after masks were applied, .* call apply_masks after set_attn_implementation"
    )
    with pytest.raises(PretrainedError, match=message):
        model(**batch(name))
    apply_masks(model, {"encoder": "window(1)"})(**batch(name))


class ConstantConfig(BertSelfAttention):
    """An attention whose config cannot be set."""

    constant: Any = None

    @property
    def config(self) -> Any:
        return self.constant


@pytest.mark.parametrize("config", ["none", "its own"])
def test_an_attention_that_cannot_be_switched_is_refused_and_the_model_left_alone(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build("BertModel")
    attention = next(module for module in model.modules() if isinstance(module, BertSelfAttention))
    monkeypatch.setattr(ConstantConfig, "constant", None if config == "none" else build("BertModel").config)
    attention.__class__ = ConstantConfig
    before = configs(model)
    with pytest.raises(PretrainedError, match="ConstantConfig does not let its"):
        apply_masks(model, {"encoder": "window(1)"})
    assert configs(model) == before


def test_a_stack_that_cannot_be_switched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("BertModel")
    monkeypatch.setattr(model, "set_attn_implementation", lambda name: None)
    with pytest.raises(PretrainedError, match="BertModel does not let its attention implementation be set"):
        apply_masks(model, {"encoder": "window(1)"})
