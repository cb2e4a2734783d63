"""What `save_pretrained` of a model with masks writes: a folder whose model obeys them wherever it is loaded.

Left to itself, transformers would write a folder from which its stock class loads the model without masks and without
a word. `Trainer` and `push_to_hub` save by this method, too.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, cast

from torch import nn

from finetune.attention.pretrained.config_names import CONFIG_KEY, PREFIX
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.families import transformers_model

SAVE = "save_pretrained"


class SavesMasks:
    """What the class of a model gets while the model has masks: a `save_pretrained` that writes their code."""

    def save_pretrained(self: Any, save_directory: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        """Save as the model's own class does, and write the code of the masks beside the weights.

        Args:
            save_directory: The folder.
            args: What else the method of the model's own class takes.
            options: Likewise; `push_to_hub=True` is not among it.

        Raises:
            PretrainedError: The folder is to be pushed at once, or no automatic class of transformers loads the model.
        """
        stock = super().save_pretrained  # type: ignore[misc]
        if not hasattr(transformers_model(self).config, CONFIG_KEY):
            stock(save_directory, *args, **options)
            return
        if options.get("push_to_hub"):
            raise PretrainedError(
                "save_pretrained(push_to_hub=True) would upload the model before the code of its masks is written; "
                "call model.push_to_hub(repo_id), which uploads both"
            )
        _check_can_travel(self)
        stock(save_directory, *args, **options)
        folder = Path(save_directory)
        if folder.is_dir() and options.get("is_main_process", True):
            _complete(self, folder)

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        """Copies and pickles name the model's own class, as this one has no place in a module."""
        return _restore, (_own_class(self),), self.__getstate__()


def save_with_masks(model: nn.Module) -> None:
    """Have a model's `save_pretrained` write its masks' code, in place.

    Nothing happens where it does so already, or by itself, as a model that was loaded by that code.

    Args:
        model: A model of transformers, or what is around it, such as an adapter of peft's.
    """
    config = transformers_model(model).config
    writes_its_code = str(getattr(config, "model_type", "")).startswith(PREFIX)
    if hasattr(type(model), SAVE) and not isinstance(model, SavesMasks) and not writes_its_code:
        model.__class__ = _with_masks(cast("Any", type(model)))


def save_as_before(model: nn.Module) -> None:
    """Give a model its own class again, in place, unless another was derived from it since."""
    if type(model).__bases__[:1] == (SavesMasks,):
        model.__class__ = _own_class(model)


@cache
def _with_masks(own: Any) -> Any:
    """The class of models of the class `own` with masks, of the same name."""
    names = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
    return type(own.__name__, (SavesMasks, own), names)


def _own_class(model: nn.Module) -> Any:
    """The model's class beside its masks."""
    return type(model).__bases__[1]


def _restore(own: type[nn.Module]) -> Any:
    """An empty model with masks of the class `own`, into which its state is put."""
    masked = _with_masks(cast("Any", own))
    return masked.__new__(masked)


def _check_can_travel(model: nn.Module) -> None:
    """Make sure that the code of masks can be written beside a model.

    Raises:
        PretrainedError: No automatic class of transformers loads it.
    """
    from finetune.attention.standalone.classes import automatic_class

    automatic_class(type(transformers_model(model)).__name__.removeprefix("FSDP"))


def _complete(model: nn.Module, folder: Path) -> None:
    """Write what the method of the class leaves out: the code, and of an adapter the whole model's configuration."""
    from finetune.attention.standalone import stand_alone

    inner = transformers_model(model)
    if inner is not model:
        # peft leaves the class there that the body was pretrained as, which does not tell the head.
        inner.config.architectures = [type(inner).__name__]
        inner.config.save_pretrained(folder)
    stand_alone(folder)
