"""Architectures beside BERT and T5 that take masks without more code, and those that are refused."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import EncoderDecoderConfig, EncoderDecoderModel, PreTrainedModel

from finetune.attention.masks import parse
from finetune.attention.pretrained import PretrainedError, apply_masks, generate
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import BERT, HEADS, LABELS, PAD, SEP, SOURCE, START, T5, padding, tokens

SMALL: dict[str, Any] = {**BERT, "num_hidden_layers": 3}
ENCODERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "Albert": ("Albert", {**SMALL, "embedding_size": 16}),
    "Camembert": ("Camembert", SMALL),
    "DistilBert": (
        "DistilBert",
        {
            "vocab_size": SMALL["vocab_size"],
            "dim": 32,
            "n_layers": 3,
            "n_heads": HEADS,
            "hidden_dim": 48,
            "max_position_embeddings": 24,
            "num_labels": LABELS,
            "initializer_range": 0.3,
        },
    ),
    "Electra": ("Electra", {**SMALL, "embedding_size": 16}),
    "Ernie": ("Ernie", SMALL),
    "ModernBert": (
        "ModernBert",
        {
            **SMALL,
            "global_attn_every_n_layers": 2,
            "local_attention": 4,
            "cls_token_id": 2,
            "sep_token_id": SEP,
            "bos_token_id": 2,
            "eos_token_id": SEP,
        },
    ),
    "Roberta": ("Roberta", SMALL),
    "XLMRoberta": ("XLMRoberta", SMALL),
    "XLMRobertaXL": ("XLMRobertaXL", SMALL),
}
DECODERS = ["Camembert", "Electra", "Ernie", "Roberta", "XLMRoberta", "XLMRobertaXL"]
T5_LIKE = ["MT5", "UMT5"]
MASK = padding([SOURCE, 4], SOURCE)
IDS = tokens(MASK)
PROGRAM = {"encoder": {"mask": "window(1)", "layers": {"-1": "per_head(causal(), full())"}}}


def encoder(name: str, head: str = "ForTokenClassification") -> PreTrainedModel:
    prefix, config = ENCODERS[name]
    torch.manual_seed(0)
    model: PreTrainedModel = getattr(transformers, prefix + head)(getattr(transformers, f"{prefix}Config")(**config))
    return model.eval()  # type: ignore[no-untyped-call, no-any-return]


def t5_like(name: str, head: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = getattr(transformers, name + head)(getattr(transformers, f"{name}Config")(**T5))
    return model.eval()  # type: ignore[no-untyped-call, no-any-return]


def under_float_masks(model: PreTrainedModel, masks: list[str]) -> Tensor:
    """Return the logits of the stock model, to each of whose layers its mask is given as an additive mask."""
    model.set_attn_implementation("eager")
    attentions = [each for each in model.modules() if type(each).__name__.endswith("SelfAttention")]
    attentions = attentions or [each for each in model.modules() if type(each).__name__ == "ModernBertAttention"]
    valid = MASK.bool()[:, None, None]
    for module, mask in zip(attentions, masks, strict=True):
        allowed = parse(mask).dense(SOURCE, num_heads=HEADS)[None] & valid
        added = torch.zeros(2, HEADS, SOURCE, SOURCE).masked_fill(~allowed, torch.finfo(torch.float32).min)
        module.register_forward_pre_hook(replace_mask(added), with_kwargs=True)
    logits: Tensor = model(input_ids=IDS, attention_mask=MASK).logits
    return logits


def replace_mask(added: Tensor) -> Callable[..., Any]:
    def hook(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if len(args) > 1:
            return (args[0], added, *args[2:]), kwargs
        return args, kwargs | {"attention_mask": added}

    return hook


@pytest.mark.parametrize("name", ENCODERS)
def test_the_standard_program_changes_nothing(name: str) -> None:
    stock, masked = encoder(name), apply_masks(encoder(name), Program())
    labels = (IDS % LABELS).masked_fill(MASK == 0, -100)
    inputs = {"input_ids": IDS, "attention_mask": MASK, "labels": labels}
    expected, found = stock(**inputs), masked(**inputs)
    torch.testing.assert_close(found.logits[MASK == 1], expected.logits[MASK == 1], atol=1e-5, rtol=1e-5)
    for outputs in (expected, found):
        outputs.loss.backward()
    for (key, one), other in zip(stock.named_parameters(), masked.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, atol=1e-5, rtol=1e-5, msg=key)


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "Albert"])
def test_each_layer_obeys_its_mask(name: str) -> None:
    masks = ["window(1)", "window(1)", "per_head(causal(), full())"]
    if name == "ModernBert":  # its middle layer has a window of its own
        masks[1] = "window(1) & window(2)"
    found = apply_masks(encoder(name), PROGRAM)(input_ids=IDS, attention_mask=MASK).logits
    expected = under_float_masks(encoder(name), masks)
    torch.testing.assert_close(found[MASK == 1], expected[MASK == 1], atol=1e-5, rtol=1e-5)
    stock = encoder(name)(input_ids=IDS, attention_mask=MASK).logits
    assert (stock - expected)[MASK == 1].abs().amax(-1).gt(1e-3).all()


def test_modernbert_keeps_its_own_windows() -> None:
    wide = apply_masks(encoder("ModernBert"), {"encoder": "window(6)"})
    found = wide(input_ids=IDS, attention_mask=MASK).logits
    expected = encoder("ModernBert")(input_ids=IDS, attention_mask=MASK).logits
    torch.testing.assert_close(found[MASK == 1], expected[MASK == 1], atol=1e-5, rtol=1e-5)


def test_layers_that_are_one_take_one_mask() -> None:
    with pytest.raises(PretrainedError, match="the layers of AlbertModel share one attention and take one mask"):
        apply_masks(encoder("Albert"), PROGRAM)
    model = apply_masks(encoder("Albert"), {"encoder": "none()"})
    changed = IDS.clone()
    changed[:, 1] += 1
    outputs = [model(input_ids=each, attention_mask=MASK).logits for each in (IDS, changed)]
    assert outputs[0][:, 2:].equal(outputs[1][:, 2:])
    assert not outputs[0][:, 1].equal(outputs[1][:, 1])


@pytest.mark.parametrize("name", T5_LIKE)
def test_kin_of_t5(name: str) -> None:
    inputs = {"input_ids": IDS, "attention_mask": MASK, "labels": tokens(padding([5, 5], 5))}
    stock, masked = t5_like(name, "ForConditionalGeneration"), t5_like(name, "ForConditionalGeneration")
    apply_masks(masked, Program())
    torch.testing.assert_close(masked(**inputs).logits, stock(**inputs).logits, atol=1e-5, rtol=1e-5)
    causal = apply_masks(t5_like(name, "EncoderModel"), {"encoder": "causal()"})
    longer = causal(input_ids=IDS, attention_mask=MASK).last_hidden_state[:, :3]
    torch.testing.assert_close(causal(input_ids=IDS[:, :3]).last_hidden_state, longer, atol=1e-5, rtol=1e-5)
    unmasked = t5_like(name, "EncoderModel")(input_ids=IDS[:, :3]).last_hidden_state
    assert not unmasked.allclose(longer, atol=1e-2)
    program = {"decoder": "window(2)", "cross": "window(1)"}
    written = [write(apply_masks(t5_like(name, "ForConditionalGeneration"), program), cache) for cache in (True, False)]
    torch.testing.assert_close(written[0], written[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", DECODERS)
def test_encoder_decoders_of_kin_of_bert(name: str) -> None:
    prefix, options = ENCODERS[name]
    halves = [getattr(transformers, f"{prefix}Config")(**options) for _ in range(2)]
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        *halves, pad_token_id=PAD, decoder_start_token_id=START, eos_token_id=SEP
    )
    torch.manual_seed(0)
    model = EncoderDecoderModel(config=config).eval()  # type: ignore[no-untyped-call]
    inputs = {"input_ids": IDS, "attention_mask": MASK, "decoder_input_ids": IDS[:, :5]}
    expected = model(**inputs).logits
    assert apply_masks(model, Program())(**inputs).logits.allclose(expected, atol=1e-5)
    apply_masks(model, {"encoder": "window(1)", "decoder": "window(2)", "cross": "window(1)"})
    assert not model(**inputs).logits.allclose(expected, atol=1e-3)
    torch.testing.assert_close(write(model, True), write(model, False), atol=1e-5, rtol=1e-5)


def write(model: PreTrainedModel, use_cache: bool) -> Tensor:
    outputs = generate(
        model,
        input_ids=IDS,
        attention_mask=MASK,
        max_new_tokens=5,
        min_new_tokens=5,
        use_cache=use_cache,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return torch.stack(outputs.logits)


@pytest.mark.parametrize("name", [*ENCODERS, "Bert"])
def test_an_input_beyond_the_last_position_is_refused(name: str) -> None:
    if name == "ModernBert":
        pytest.skip("its positions are relative")
    bert = transformers.BertModel(transformers.BertConfig(**SMALL))
    model = bert if name == "Bert" else encoder(name, "Model")
    limit = 24 - 1 if name in ("Camembert", "Roberta", "XLMRoberta", "XLMRobertaXL") else 24
    apply_masks(model, {"encoder": "window(1)"})
    ids = torch.full((1, limit), 5)
    assert model(input_ids=ids).last_hidden_state.shape[1] == limit
    with pytest.raises(PretrainedError, match=f"the model has {limit} positions and cannot read {limit + 1} tokens"):
        model(input_ids=torch.full((1, limit + 1), 5))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("GPT2LMHeadModel", transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=9)),
        (
            "BartModel",
            transformers.BartConfig(
                vocab_size=9,
                d_model=8,
                encoder_layers=1,
                decoder_layers=1,
                encoder_attention_heads=2,
                decoder_attention_heads=2,
            ),
        ),
        ("DebertaV2Model", transformers.DebertaV2Config(vocab_size=9, hidden_size=24, num_hidden_layers=1)),
        ("MPNetModel", transformers.MPNetConfig(vocab_size=9, hidden_size=12, num_hidden_layers=1)),
    ],
)
def test_other_architectures_are_refused(name: str, config: transformers.PreTrainedConfig) -> None:
    model = getattr(transformers, name)(config)
    with pytest.raises(PretrainedError, match=r"cannot take masks; supported are BERT, ALBERT, .* T5, mT5, UMT5"):
        apply_masks(model, {"encoder": "window(1)"})


def test_one_half_of_another_architecture_is_refused() -> None:
    gpt2 = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=32, vocab_size=9, add_cross_attention=True)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(transformers.BertConfig(**SMALL), gpt2)
    with pytest.raises(PretrainedError, match="GPT2LMHeadModel cannot take masks"):
        apply_masks(EncoderDecoderModel(config=config), Program())


def test_a_type_of_attention_that_is_not_known_is_refused() -> None:
    model: Any = encoder("ModernBert", "Model")
    model.config.layer_types = ["full_attention", "chunked_attention", "sliding_attention"]
    with pytest.raises(PretrainedError, match="attention of the type 'chunked_attention', which masks do not support"):
        apply_masks(model, {"encoder": "window(1)"})


def test_a_model_with_another_number_of_attention_modules_than_layers_is_refused() -> None:
    model: Any = transformers.BertModel(transformers.BertConfig(**SMALL))
    model.encoder.layer[1].attention.self = torch.nn.Identity()
    with pytest.raises(PretrainedError, match="BertModel of 3 layers has 2 self-attentions and 0 attentions to an enc"):
        apply_masks(model, {"encoder": "window(1)"})
