"""Loading pretrained weights, and making sure that they are all there."""

import copy
import logging
from collections.abc import Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from finetune import recipe
from finetune.errors import UserError
from finetune.models.completeness import LoadingResult, bad_weights, check_body, check_labels, check_trained
from finetune.models.configuration import complete_generation, configure, set_dropout
from finetune.models.families import Head, check_head
from finetune.models.heads import (
    auto_class,
    finalize_model,
    head_names,
    note_new_modules,
    renew_head,
    rescale_t5_token_head,
)
from finetune.models.source import PretrainedSource, model_source
from finetune.models.stored_adapters import base_of, find_adapter, load_adapter, replaced_modules
from finetune.models.stored_config import read_config

logger = logging.getLogger(__name__)

LabelNames = tuple[str, ...]


def load_pretrained(
    model: recipe.Model,
    head: Head,
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str] | None,
    problem_type: str | None = None,
    *,
    is_trained: bool = False,
) -> PreTrainedModel:
    """Load the model that `model` names; what the checkpoint lacks is drawn from torch's random generator.

    Weights are in float32, whatever the checkpoint holds.

    Args:
        model: The recipe's model.
        head: What is put on top.
        tokenizer: Its special tokens become the model's.
        labels: The classes in order; None for text to text.
        problem_type: transformers' name of what a text classifier answers; the checkpoint's own where not given.
        is_trained: Whether the model is to answer as it is, so that nothing may be drawn at random.

    Raises:
        UserError: There is no such model, it is of a family that cannot have the head, its weights are incomplete, of
            the wrong shape, not in the safetensors format or damaged, or the tokenizer does not fit it.
    """
    source = model_source(model)
    with source.access():
        config = read_config(source.path, **source.options)
        check_head(config, head)
        if model.dropout is not None:
            set_dropout(config, model.dropout)
        if recipe.find_head(head).writes_text and not config.is_encoder_decoder:
            if is_trained:
                raise _no_writer(source, config)
            return finalize_model(_put_together(source, config, head, tokenizer))
        if is_trained and labels is not None:
            check_labels(config.id2label or {}, labels, source)
        stored_labels = tuple(label for _, label in sorted((config.id2label or {}).items()))
        configure(config, head, tokenizer, labels, problem_type)
        if (adapter := find_adapter(source)) is not None:
            return _load_adapted(source, base_of(adapter, source), config, head, is_trained=is_trained)
        loaded = _load_weights(auto_class(head), source, config)
    if is_trained:
        check_trained(loaded, head, source)
    elif labels is not None:
        _settle_head(loaded, stored_labels, tuple(labels), source)
        note_new_modules(loaded.model, loaded.missing)
    return finalize_model(loaded.model)


def _load_adapted(
    source: PretrainedSource, base: PretrainedSource, config: PreTrainedConfig, head: Head, *, is_trained: bool
) -> PreTrainedModel:
    """The model at `base` with the adapter of `source`, in evaluation mode."""
    with base.access():
        loaded = _load_weights(auto_class(head), base, config)
    adapted = load_adapter(loaded.model, source)
    if is_trained:
        check_trained(loaded, head, base, replaced=replaced_modules(adapted))
    return adapted


def _no_writer(source: PretrainedSource, config: PreTrainedConfig) -> UserError:
    return UserError(
        f"the model {source.path} was not trained to write text",
        expected="an encoder-decoder: a T5, or two encoders that were put together and trained",
        found=", ".join(config.architectures or ()) or f"a model of type {config.model_type!r}",
        where=source.key,
        fix="fine-tune it first (finetune run recipe=... model.name=...)",
    )


def _put_together(
    source: PretrainedSource, config: PreTrainedConfig, head: Head, tokenizer: PreTrainedTokenizerBase
) -> EncoderDecoderModel:
    """An encoder-decoder of two copies of one encoder, the second with new cross-attention (Rothe et al. 2020)."""
    decoder_config = copy.deepcopy(config)
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config, decoder_config, vocab_size=config.vocab_size)
    configure(both, head, tokenizer, None)
    encoder = _load_weights(AutoModel, source, both.encoder).model
    decoder = _load_weights(AutoModelForCausalLM, source, both.decoder).model
    return EncoderDecoderModel(config=both, encoder=encoder, decoder=decoder)


def _settle_head(loaded: LoadingResult, stored: LabelNames, labels: LabelNames, source: PretrainedSource) -> None:
    """Keep a head that the checkpoint has for these very labels; otherwise it is a new one."""
    head = head_names(loaded.model)
    complete = not head & loaded.missing
    same = stored in (labels, tuple(f"LABEL_{number}" for number in range(len(labels))))
    if complete and same and not head & loaded.mismatched.keys():
        return
    if complete:
        logger.warning(
            "%s was fine-tuned for other labels (%s); its head is replaced by a new one",
            source.path,
            ", ".join(stored[:10]),
        )
        renew_head(loaded.model)
    rescale_t5_token_head(loaded.model)


def _load_weights(loader: Any, source: PretrainedSource, config: PreTrainedConfig) -> LoadingResult:
    try:
        model, report = loader.from_pretrained(
            source.path,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **source.options,
        )
    except SafetensorError as error:
        raise bad_weights(source, "are damaged", str(error), "fetch or copy them again") from error
    except OSError as error:
        if "safetensors" not in str(error) or error.__cause__ is not None:
            raise
        raise bad_weights(
            source,
            "are not in the safetensors format",
            "no model.safetensors",
            "choose another model or revision, or convert this one (https://huggingface.co/docs/safetensors); "
            "pickled weights can run code and are not loaded",
        ) from error
    shapes = {name: f"{list(found)} instead of {list(expected)}" for name, found, expected in report["mismatched_keys"]}
    missing = frozenset(report["missing_keys"])
    tied = {name for name, to in model.all_tied_weights_keys.items() if to in missing}
    loaded = LoadingResult(model, missing - tied, shapes, frozenset(report["unexpected_keys"]))
    check_body(loaded, source)
    complete_generation(model)
    return loaded
