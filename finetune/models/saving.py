"""Writing a model so that `load_model` reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedModel

from finetune.attention.standalone import stand_alone
from finetune.models.adapters import is_adapted, sort_sets


def save_weights(model: PreTrainedModel, folder: Path, weights: Mapping[str, Any] | None = None) -> None:
    """Write a model's configuration and weights in the safetensors format; of an adapted model the adapter alone.

    A model with masks gets the code that obeys them beside it, see `finetune.attention.standalone`.

    Args:
        model: The model, without accelerate's wrapping.
        folder: Made where it is not there.
        weights: The model's state_dict, where it is spread over processes.
    """
    model.save_pretrained(folder, state_dict=cast("Any", weights))
    if is_adapted(model):
        sort_sets(model, folder)
        # peft leaves the class there that the body was pretrained as, which does not tell the head.
        model.config.architectures = [type(cast("Any", model).get_base_model()).__name__]
        model.config.save_pretrained(folder)  # the labels, and the masks
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty form
    stand_alone(folder)
