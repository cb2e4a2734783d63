"""Saving of models in the form that `load_model` reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedModel

from finetune.attention.standalone import stand_alone
from finetune.models.adapters import is_adapted, sort_sets


def save_weights(model: PreTrainedModel, folder: Path, weights: Mapping[str, Any] | None = None) -> None:
    """Write a model's configuration, and its weights in the safetensors format; of an adapted model only the adapter.

    For a model with masks, the code that applies them is written, too (`finetune.attention.standalone`).

    Args:
        model: The model, without accelerate's wrapper.
        folder: The folder, which is created where it does not exist.
        weights: The gathered state_dict of a model that is sharded over processes; None for other models.
    """
    model.save_pretrained(folder, state_dict=cast("Any", weights))
    if is_adapted(model):
        sort_sets(model, folder)
        # peft leaves the architecture of the pretrained body there, which does not name the head.
        model.config.architectures = [type(cast("Any", model).get_base_model()).__name__]
        model.config.save_pretrained(folder)  # the labels, and the masks
        (folder / "README.md").unlink(missing_ok=True)  # peft's template of a model card
    stand_alone(folder)
