"""`generate`: transformers' greedy and beam search, in which an example that is done costs nothing."""

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
    """The texts that `model.generate` writes for a batch, token for token, without sampling.

    An example whose text is certain leaves the batch at once, beams share the first step, and keys and values are moved
    only where beams part. Under masks that let earlier tokens see later ones nothing is cached, which is slower. What
    this search does not know (other modes, outputs beside the tokens, processors that remember) is left to
    `model.generate`. Other settings come from the model's generation_config. Ties between scores may be broken in
    another way than there. It was never run on a GPU; each step synchronises once.

    Args:
        model: An encoder-decoder of transformers, in evaluation mode; it may be wrapped (PEFT).
        encoder_outputs: What its encoder gave, with `last_hidden_state` [examples, source, width]; what masks need of
            the source goes with it, as the encoder of a model with masks adds it. It is not changed.
        attention_mask: [examples, source], booleans or integers, 1 at tokens and 0 at padding; None where there is no
            padding.
        num_beams: Beams of an example; 1 takes the most probable token each time.
        max_new_tokens: The most tokens of a text.
        length_penalty: Exponent of the length by which a beam's score is divided; more than 0 favours long texts.
        options: Other settings of generation, as `model.generate` takes them.

    Returns:
        int64 [examples, longest], each with the token that it starts from, filled up at the end.

    Raises:
        PretrainedError: A mask of the model has no meaning while a text grows, or attention_mask is none.
        ValueError: As of `model.generate`.
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
    if _learns_prompts(model) or _keeps_step_with_others(inner):
        return _left_to_transformers(model, encoder_outputs, settings)
    try:
        texts: Tensor = inner.generate(encoder_outputs=_copy(encoder_outputs), custom_generate=_decode, **settings)
    except Unsupported:
        return _left_to_transformers(model, encoder_outputs, settings)
    return texts


def _transformers_model(model: nn.Module) -> Any:
    """The model of transformers in wrappers of any kind."""
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
    """The function that transformers' `generate` calls when all is prepared: its inputs are repeated for each beam."""
    rules = Rules.of(generation_config, logits_processor, stopping_criteria)
    if unknown := [name for name, value in inputs.items() if name not in INPUTS and value is not None]:
        raise Unsupported(unknown[0])
    if (cache := inputs.get("past_key_values")) is not None and cache.get_seq_length():
        raise Unsupported("a cache that is begun")
    encoder_outputs, attention_mask = inputs["encoder_outputs"], inputs.get("attention_mask")
    each = rules.num_beams
    encoded = {name: tensor[::each] for name, tensor in encoder_outputs.items() if isinstance(tensor, Tensor)}
    mask = None if attention_mask is None else attention_mask[::each]
    writing = search(rules, input_ids[::each])
    decoder = IncrementalDecoder(model, encoded, mask, cached=generation_config.use_cache is not False)
    while not writing.is_done:
        move = writing.advance(decoder.logits(writing.sequences))
        if not writing.is_done:
            decoder.follow(move)
    return writing.texts()


INPUTS = frozenset({"encoder_outputs", "attention_mask", "past_key_values", "use_cache"})
"""What `generate` hands over; the cache is empty, and another is used."""


def _left_to_transformers(model: Any, encoder_outputs: Mapping[str, Any], settings: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        texts: Tensor = model.generate(encoder_outputs=_copy(encoder_outputs), **settings)
    return texts


def _copy(encoder_outputs: Mapping[str, Any]) -> BaseModelOutput:
    """The same tensors in another mapping, because `generate` repeats them in place."""
    copy = BaseModelOutput(last_hidden_state=encoder_outputs["last_hidden_state"])
    for name, value in encoder_outputs.items():
        copy[name] = value
    return copy


def _learns_prompts(model: nn.Module) -> bool:
    """Whether PEFT puts learned tokens before the text, which is done in its own `generate`."""
    return bool(getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False))


def _keeps_step_with_others(model: nn.Module) -> bool:
    """Whether each process must run as many steps as every other, because the weights are spread over them."""
    return bool(
        is_deepspeed_zero3_enabled()  # type: ignore[no-untyped-call]
        or is_fsdp_managed_module(model)
    )
