"""`generate` writes the texts of transformers' greedy and beam search without computing examples that are done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, StoppingCriteriaList
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from transformers.integrations.fsdp import is_fsdp_managed_module
from transformers.modeling_outputs import BaseModelOutput

from finetune.attention import pretrained
from finetune.attention.pretrained.tokens import check_attention_mask
from finetune.generation.decoder import IncrementalDecoder
from finetune.generation.rules import Rules, Unsupported
from finetune.generation.search import search


def generate(
    model: nn.Module,
    encoder_outputs: Mapping[str, Any],
    attention_mask: Tensor | None = None,
    *,
    num_beams: int = 1,
    max_new_tokens: int,
    length_penalty: float = 1.0,
    **options: Any,
) -> Tensor:
    """Generate the same texts as `model.generate` for a batch, token for token, without sampling.

    It is faster: an example leaves the batch as soon as its text is certain, the beams of an example share the first
    step, and cached keys and values are copied only where beams differ. Under masks that let earlier tokens attend to
    later ones nothing is cached, which is slower. Settings that this search does not support (other modes, outputs in
    addition to the tokens, logits processors with a state) are passed to `model.generate`. Settings that are not given
    come from the model's generation_config. Ties between scores may be broken in another way than in `model.generate`.
    On a GPU, each step synchronises with the device once.

    Args:
        model: An encoder-decoder of transformers, in evaluation mode; it may be wrapped (PEFT).
        encoder_outputs: The output of its encoder, with `last_hidden_state` [examples, source length, hidden_size], and
            the columns and values that the encoder of a model with masks adds. It is not changed.
        attention_mask: The source's attention mask [examples, source length], booleans or integers, 1 at tokens and 0
            at padding; None if there is no padding.
        num_beams: Number of beams of each example; 1 is greedy search.
        max_new_tokens: The largest number of tokens of a text.
        length_penalty: Exponent of the length by which a beam's score is divided; values above 0 favour long texts.
        options: Other keyword arguments of `model.generate`.

    Returns:
        int64 [examples, longest]. Each text begins with the token from which it starts, and is padded at its end.

    Raises:
        PretrainedError: The meaning of one of the model's masks would change while a text is generated, or
            `attention_mask` does not have this form.
        TypeError: `model` contains no model of transformers.
        ValueError: `model.generate` does not accept a setting.
    """
    inner = _transformers_model(model)
    states = encoder_outputs["last_hidden_state"]
    check_attention_mask(attention_mask, len(states), states.shape[1], "attention_mask")
    settings = {
        "attention_mask": attention_mask,
        "num_beams": num_beams,
        "max_new_tokens": max_new_tokens,
        "length_penalty": length_penalty,
        "do_sample": False,
        **({} if pretrained.can_cache(inner) else {"use_cache": False}),
        **options,
    }
    if _has_virtual_tokens(model) or _is_sharded(inner):
        return _generate_with_transformers(model, encoder_outputs, settings)
    try:
        texts: Tensor = inner.generate(encoder_outputs=_copy(encoder_outputs), custom_generate=_decode, **settings)
    except Unsupported:
        return _generate_with_transformers(model, encoder_outputs, settings)
    return texts


def _transformers_model(model: nn.Module) -> Any:
    """Return the model of transformers in a module, which may be wrapped in others."""
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            return module
    raise TypeError(f"{type(model).__name__} is no model of transformers")


def _decode(
    model: PreTrainedModel,
    input_ids: Tensor,
    *,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **inputs: Any,
) -> Tensor:
    """Search for the texts; transformers' `generate` calls this function with its prepared inputs.

    Raises:
        Unsupported: A setting is not supported by this search.
    """
    rules = Rules.of(generation_config, logits_processor, stopping_criteria)
    if unknown := [name for name, value in inputs.items() if name not in INPUTS and value is not None]:
        raise Unsupported(unknown[0])
    if (cache := inputs.get("past_key_values")) is not None and cache.get_seq_length():
        raise Unsupported("a cache that is not empty")
    encoder_outputs, attention_mask = inputs["encoder_outputs"], inputs.get("attention_mask")
    # `generate` has repeated its inputs for each beam; the search begins with one row for each example.
    each = rules.num_beams
    encoded = {name: tensor[::each] for name, tensor in encoder_outputs.items() if isinstance(tensor, Tensor)}
    mask = None if attention_mask is None else attention_mask[::each]
    state = search(rules, input_ids[::each])
    decoder = IncrementalDecoder(model, encoded, mask, cached=generation_config.use_cache is not False)
    while not state.is_done:
        move = state.advance(decoder.logits(state.sequences))
        if not state.is_done:
            decoder.follow(move)
    return state.texts()


INPUTS = frozenset({"encoder_outputs", "attention_mask", "past_key_values", "use_cache"})
"""The inputs that `generate` passes. The cache among them is empty, and a `BeamCache` is used in its place."""


def _generate_with_transformers(model: Any, encoder_outputs: Mapping[str, Any], settings: dict[str, Any]) -> Tensor:
    """Return the result of `model.generate` with its own search."""
    with torch.no_grad():
        texts: Tensor = model.generate(encoder_outputs=_copy(encoder_outputs), **settings)
    return texts


def _copy(encoder_outputs: Mapping[str, Any]) -> BaseModelOutput:
    """Return the same tensors in another mapping, because `generate` changes the mapping in place."""
    copy = BaseModelOutput(last_hidden_state=encoder_outputs["last_hidden_state"])
    for name, value in encoder_outputs.items():
        copy[name] = value
    return copy


def _has_virtual_tokens(model: nn.Module) -> bool:
    """Return whether PEFT puts virtual tokens before the text, which only its own `generate` does."""
    return bool(getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False))


def _is_sharded(model: nn.Module) -> bool:
    """Return whether all processes must run equally many steps, because the weights are sharded over them."""
    return bool(
        is_deepspeed_zero3_enabled()  # type: ignore[no-untyped-call]
        or is_fsdp_managed_module(model)
    )
