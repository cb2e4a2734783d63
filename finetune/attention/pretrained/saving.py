"""Makes `save_pretrained` of a model with masks write a folder whose model obeys them wherever it is loaded.

The method of transformers alone would write a folder from which its stock class silently loads the model without masks.
`Trainer` and `push_to_hub` call `save_pretrained`, so that what they save obeys the masks as well.
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
    """A base class that a model's class has while the model has masks; its `save_pretrained` writes their code."""

    def save_pretrained(self: Any, save_directory: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        """Save the model as its own class does, and write the code of the masks beside the weights.

        Args:
            save_directory: The folder.
            args: Further positional arguments of the method of the model's own class.
            options: Keyword arguments of the method of the model's own class, except `push_to_hub=True`.

        Raises:
            PretrainedError: `push_to_hub=True` is given, or no automatic class of transformers loads the model.
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
        """Let copies and pickles name the model's own class, because this one is made at run time, in no module."""
        return _restore, (_own_class(self),), self.__getstate__()


def save_with_masks(model: nn.Module) -> None:
    """Change the class of a model so that its `save_pretrained` writes the code of its masks, in place.

    A model whose class does so already is not changed, nor one that was loaded by that code, whose class does it by
    itself.

    Args:
        model: A model of transformers, or a wrapper with a `save_pretrained` of its own, such as a PEFT model.
    """
    config = transformers_model(model).config
    writes_its_code = str(getattr(config, "model_type", "")).startswith(PREFIX)
    if hasattr(type(model), SAVE) and not isinstance(model, SavesMasks) and not writes_its_code:
        model.__class__ = _with_masks(cast("Any", type(model)))


def save_as_before(model: nn.Module) -> None:
    """Give a model its own class again, in place, unless another class was derived from the present one since."""
    # FSDP2, for example, derives a class from that of the model, which has to stay.
    if type(model).__bases__[:1] == (SavesMasks,):
        model.__class__ = _own_class(model)


@cache
def _with_masks(own: Any) -> Any:
    """Return a class derived from `SavesMasks` and `own`, with the name of `own`."""
    # transformers writes the class name into config.json, and pickle looks a class up by module and name.
    names = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
    return type(own.__name__, (SavesMasks, own), names)


def _own_class(model: nn.Module) -> Any:
    """Return the class that a model with masks had before."""
    return type(model).__bases__[1]


def _restore(own: type[nn.Module]) -> Any:
    """Return an empty model of the class `own` with masks, whose state pickle sets afterwards."""
    masked = _with_masks(cast("Any", own))
    return masked.__new__(masked)


def _check_can_travel(model: nn.Module) -> None:
    """Raise an error if the code of masks could not be written beside a model.

    Raises:
        PretrainedError: No automatic class of transformers loads the model.
    """
    # Imported here, because the copy of this package beside a saved model has no `standalone`.
    from finetune.attention.standalone.classes import automatic_class

    # FSDP2 derives a class whose name begins with FSDP.
    automatic_class(type(transformers_model(model)).__name__.removeprefix("FSDP"))


def _complete(model: nn.Module, folder: Path) -> None:
    """Write the code of the masks, and for an adapter also the configuration of the model around it."""
    from finetune.attention.standalone import stand_alone

    inner = transformers_model(model)
    if inner is not model:
        # peft saves the adapter alone; `architectures` of the config still names the class of the pretrained weights,
        # which may have another head.
        inner.config.architectures = [type(inner).__name__]
        inner.config.save_pretrained(folder)
    stand_alone(folder)
