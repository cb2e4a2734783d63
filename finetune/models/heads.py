"""What is put on top of a pretrained model."""

from collections.abc import Iterable
from typing import Any

import torch
import transformers
from transformers import EncoderDecoderModel, PreTrainedModel

from finetune.models.families import Head, family
from finetune.recipe import find_head


def auto_class(head: Head) -> Any:
    """The automatic class of transformers that makes and loads models with a head."""
    return getattr(transformers, find_head(head).auto_class)


NEW_MODULES = "_finetune_new_modules"
"""The attribute of a model that holds what `note_new_modules` notes."""


def head_names(model: PreTrainedModel) -> set[str]:
    """Names of the weights that are not the pretrained body's; empty where the model is all body."""
    if model.base_model is model:
        return set()
    body = model.base_model_prefix + "."
    return {name for name in model.state_dict() if not name.startswith(body)}


def note_new_modules(model: PreTrainedModel, missing: Iterable[str]) -> None:
    """Note on a model which modules of its body its checkpoint lacks, such as a pooler; see `new_modules`."""
    body = set(missing) - head_names(model)
    setattr(model, NEW_MODULES, tuple(sorted({name.rpartition(".")[0] for name in body})))


def new_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """Names of the modules of a model's body that no checkpoint gave: whoever trains a part alone must train them."""
    names: tuple[str, ...] = getattr(model, NEW_MODULES, ())
    return names


def renew_head(model: PreTrainedModel) -> None:
    """Give the head fresh weights from torch's random generator."""
    fresh = type(model)(model.config).state_dict()
    model.load_state_dict({name: fresh[name] for name in head_names(model)}, strict=False)


def rescale_t5_token_head(model: PreTrainedModel) -> None:
    """Bring a fresh T5 token classifier to logits of unit size.

    transformers draws its weights with deviation 1, which on hidden states of unit size makes logits as large as the
    square root of the width (16 for 256): a confident wrong guess at every token. T5's other heads are divided by it.
    """
    classifier = getattr(model, "classifier", None)
    if isinstance(classifier, torch.nn.Linear) and family(model.config).scales_token_head:
        with torch.no_grad():
            classifier.weight.mul_(model.config.d_model**-0.5)


def finalize_model(model: PreTrainedModel) -> PreTrainedModel:
    """Make a model ready for a run: in evaluation mode, and without weights that are never used."""
    if isinstance(model, EncoderDecoderModel):
        # The decoder never reads it, and DistributedDataParallel refuses weights that get no gradient.
        pooler = getattr(model.encoder, "pooler", None)
        if pooler is not None:
            pooler.requires_grad_(False)
    model.train(False)
    return model
