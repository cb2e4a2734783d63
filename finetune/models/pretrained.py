"""Loading of pretrained weights, with checks that none is missing."""

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
    """Load a pretrained model in float32; weights of a new head are drawn from PyTorch's random generator.

    Args:
        model: The recipe's model section.
        head: The name of the head.
        tokenizer: The tokenizer, whose special tokens the model gets.
        labels: The classes in order; None for text to text.
        problem_type: The `problem_type` of transformers for text classification. The default is that of the checkpoint.
        is_trained: Whether the model is used for prediction without training, so that no weight may be new.

    Raises:
        UserError: There is no such model, it cannot have the head, it does not fit the tokenizer, or its weights are
            incomplete, of another shape, damaged or not in the safetensors format.
    """
    source = model_source(model)
    with source.access():
        config = _read_config(model, head, source)
        if recipe.find_head(head).writes_text and not config.is_encoder_decoder:
            if is_trained:
                raise _cannot_generate(source, config)
            return finalize_model(_combine_encoders(source, config, head, tokenizer))
        stored_labels = _stored_labels(config, labels if is_trained else None, source)
        configure(config, head, tokenizer, labels, problem_type)
        if (adapter := find_adapter(source)) is not None:
            return _load_adapted(source, base_of(adapter, source), config, head, is_trained=is_trained)
        loaded = _load_weights(auto_class(head), source, config)
    if is_trained:
        check_trained(loaded, head, source)
    elif labels is not None:
        _prepare_training(loaded, stored_labels, tuple(labels), source)
    return finalize_model(loaded.model)


def _read_config(model: recipe.Model, head: Head, source: PretrainedSource) -> PreTrainedConfig:
    """Return the stored configuration, with the recipe's dropout, of a model that can have the head."""
    config = read_config(source.path, **source.options)
    check_head(config, head)
    if model.dropout is not None:
        set_dropout(config, model.dropout)
    return config


def _stored_labels(config: PreTrainedConfig, expected: Sequence[str] | None, source: PretrainedSource) -> LabelNames:
    """Return the labels in a configuration; raise an error where they are not the expected ones."""
    stored = config.id2label or {}
    if expected is not None:
        check_labels(stored, expected, source)
    return tuple(label for _, label in sorted(stored.items()))


def _load_adapted(
    source: PretrainedSource, base: PretrainedSource, config: PreTrainedConfig, head: Head, *, is_trained: bool
) -> PreTrainedModel:
    """Return the model at `base` with the adapter of `source`, in evaluation mode."""
    with base.access():
        loaded = _load_weights(auto_class(head), base, config)
    adapted = load_adapter(loaded.model, source)
    if is_trained:
        check_trained(loaded, head, base, replaced=replaced_modules(adapted))
    return adapted


def _cannot_generate(source: PretrainedSource, config: PreTrainedConfig) -> UserError:
    return UserError(
        f"the model {source.path} was not trained to generate text",
        expected="an encoder-decoder: a T5, or two encoders that were combined and trained",
        found=", ".join(config.architectures or ()) or f"a model of type {config.model_type!r}",
        where=source.key,
        fix="fine-tune it first (finetune run recipe=... model.name=...)",
    )


def _combine_encoders(
    source: PretrainedSource, config: PreTrainedConfig, head: Head, tokenizer: PreTrainedTokenizerBase
) -> EncoderDecoderModel:
    """Return an encoder-decoder of two copies of an encoder, with new cross-attention (Rothe et al. 2020)."""
    decoder_config = copy.deepcopy(config)
    both = EncoderDecoderConfig.from_encoder_decoder_configs(config, decoder_config, vocab_size=config.vocab_size)
    configure(both, head, tokenizer, None)
    encoder = _load_weights(AutoModel, source, both.encoder).model
    decoder = _load_weights(AutoModelForCausalLM, source, both.decoder).model
    return EncoderDecoderModel(config=both, encoder=encoder, decoder=decoder)


def _prepare_training(loaded: LoadingResult, stored: LabelNames, labels: LabelNames, source: PretrainedSource) -> None:
    """Give a model its head for the labels, and note the modules that are new."""
    _keep_or_renew_head(loaded, stored, labels, source)
    note_new_modules(loaded.model, loaded.missing)


def _keep_or_renew_head(
    loaded: LoadingResult, stored: LabelNames, labels: LabelNames, source: PretrainedSource
) -> None:
    """Keep the checkpoint's head where its labels are the same; otherwise replace it by a new one, with a warning."""
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
        raise bad_weights(source, "are damaged", str(error), "download or copy them again") from error
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
