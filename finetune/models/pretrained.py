"""Loading pretrained weights, and making sure that they are all there."""

import copy
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from finetune.models.adapters import base_of, find_adapter, load_adapter
from finetune.models.configuration import complete_generation, configure, set_dropout
from finetune.models.families import Head, check_head
from finetune.models.heads import auto_class, finalize_model, head_names, renew_head, rescale_t5_token_head
from finetune.models.source import PretrainedSource, model_source
from finetune.models.standalone import read_config

logger = logging.getLogger(__name__)

LabelNames = tuple[str, ...]

OPTIONAL = re.compile(r"(^|\.)(pooler|crossattention)\.")
"""Parts of the body that a checkpoint may lack: some were pretrained without a pooler, none with cross-attention."""


@dataclass(frozen=True)
class LoadingResult:
    """A model, and the names of the parameters that its checkpoint lacks or holds in another shape."""

    model: PreTrainedModel
    missing: frozenset[str]
    mismatched: frozenset[str]


def load_pretrained(
    model: recipe.Model,
    head: Head,
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str] | None,
    problem_type: str | None = None,
) -> PreTrainedModel:
    """Load the model that `model` names; what the checkpoint lacks is drawn from torch's random generator.

    Weights are in float32, whatever the checkpoint holds.

    Raises:
        UserError: There is no such model, it is of a family that cannot have the head, its weights are incomplete, of
            the wrong shape, not in the safetensors format or damaged, or the tokenizer does not fit it.
    """
    source = model_source(model)
    with source.access():
        config = _load_config(source)
        check_head(config, head)
        if model.dropout is not None:
            set_dropout(config, model.dropout)
        if recipe.find_head(head).writes_text and not config.is_encoder_decoder:
            return finalize_model(_put_together(source, config, head, tokenizer))
        stored_labels = tuple(label for _, label in sorted((config.id2label or {}).items()))
        configure(config, head, tokenizer, labels, problem_type)
        if (adapter := find_adapter(source)) is not None:
            base = base_of(adapter, source)
            with base.access():
                return load_adapter(_load_weights(auto_class(head), base, config).model, source)
        loaded = _load_weights(auto_class(head), source, config)
    if labels is not None:
        _settle_head(loaded, stored_labels, tuple(labels), source)
    return finalize_model(loaded.model)


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
    if complete and same and not head & loaded.mismatched:
        return
    if complete:
        logger.warning(
            "%s was fine-tuned for other labels (%s); its head is replaced by a new one",
            source.path,
            ", ".join(stored[:10]),
        )
        renew_head(loaded.model)
    rescale_t5_token_head(loaded.model)


def _load_config(source: PretrainedSource) -> PreTrainedConfig:
    try:
        return read_config(source.path, **source.options)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and not source.is_folder:
            raise  # the Hub's affair
        raise UserError(
            f"the configuration of {source.path} cannot be read",
            expected="a config.json of an architecture that transformers knows by itself",
            found=str(error).splitlines()[0],
            where=source.key,
            fix="choose another model; code that comes with a model is never run",
        ) from error


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
        raise _bad_weights(source, "are damaged", str(error), "fetch or copy them again") from error
    except OSError as error:
        if "safetensors" not in str(error) or error.__cause__ is not None:
            raise
        raise _bad_weights(
            source,
            "are not in the safetensors format",
            "no model.safetensors",
            "choose another model or revision, or convert this one (https://huggingface.co/docs/safetensors); "
            "pickled weights can run code and are not loaded",
        ) from error
    missing = frozenset(report["missing_keys"])
    shapes = {name: f"{list(found)} instead of {list(expected)}" for name, found, expected in report["mismatched_keys"]}
    loaded = LoadingResult(model, missing, frozenset(shapes))
    _check_body(loaded, shapes, source)
    complete_generation(model)
    return loaded


def _check_body(loaded: LoadingResult, shapes: Mapping[str, str], source: PretrainedSource) -> None:
    """Refuse weights that leave a part of the pretrained body at random."""
    fix = f"correct {source.key}, or its config.json if that was edited"
    head = head_names(loaded.model)
    absent = sorted(name for name in loaded.missing - head if not OPTIONAL.search(name))
    if absent:
        raise _bad_weights(source, "are incomplete", f"nothing for {_some(absent)}", fix)
    wrong = [f"{name} {shapes[name]}" for name in sorted(loaded.mismatched - head)]
    if wrong:
        raise _bad_weights(source, "do not fit its configuration", _some(wrong), fix)


def _bad_weights(source: PretrainedSource, problem: str, found: str, fix: str) -> UserError:
    return UserError(f"the weights of {source.path} {problem}", found=found, where=source.key, fix=fix)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
