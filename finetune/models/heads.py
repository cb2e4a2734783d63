"""The heads of models: their weights, and new weights of the body."""

from collections.abc import Iterable
from typing import Any

import torch
import transformers
from transformers import EncoderDecoderModel, PreTrainedModel

from finetune.models.families import Head, family
from finetune.recipe import find_head


def auto_class(head: Head) -> Any:
    """Return the auto class of transformers that builds and loads models with a head."""
    return getattr(transformers, find_head(head).auto_class)


NEW_MODULES = "_finetune_new_modules"
"""The attribute of a model in which `note_new_modules` stores names."""


def head_names(model: PreTrainedModel) -> set[str]:
    """Return the names of the weights outside of the pretrained body; empty where the model has no head."""
    if model.base_model is model:
        return set()
    body = model.base_model_prefix + "."
    return {name for name in model.state_dict() if not name.startswith(body)}


def note_new_modules(model: PreTrainedModel, missing: Iterable[str]) -> None:
    """Store on a model which modules of its body its checkpoint lacks, such as a pooler. `new_modules` returns them."""
    body = set(missing) - head_names(model)
    setattr(model, NEW_MODULES, tuple(sorted({name.rpartition(".")[0] for name in body})))


def new_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the modules of a model's body with new weights, which must be trained even where the body is frozen."""
    names: tuple[str, ...] = getattr(model, NEW_MODULES, ())
    return names


def renew_head(model: PreTrainedModel) -> None:
    """Replace the weights of the head by new ones from PyTorch's random generator."""
    fresh = type(model)(model.config).state_dict()
    model.load_state_dict({name: fresh[name] for name in head_names(model)}, strict=False)


def rescale_t5_token_head(model: PreTrainedModel) -> None:
    """Scale the new weights of T5's token classifier so that its logits have about unit variance.

    transformers draws them with a standard deviation of 1. With hidden states of unit variance the logits then have a
    standard deviation of sqrt(d_model), 16 for 256: a confident wrong prediction for every token. T5's other heads are
    already scaled.
    """
    classifier = getattr(model, "classifier", None)
    if isinstance(classifier, torch.nn.Linear) and family(model.config).scales_token_head:
        with torch.no_grad():
            classifier.weight.mul_(model.config.d_model**-0.5)


def finalize_model(model: PreTrainedModel) -> PreTrainedModel:
    """Set a model to evaluation mode, and freeze weights that are never used; return it."""
    if isinstance(model, EncoderDecoderModel):
        # The decoder does not read the pooler, and DistributedDataParallel fails on weights without a gradient.
        pooler = getattr(model.encoder, "pooler", None)
        if pooler is not None:
            pooler.requires_grad_(False)
    model.train(False)
    return model
