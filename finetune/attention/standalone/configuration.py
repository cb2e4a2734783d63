"""Writes the code of the masks and the configuration of a model with masks, and reads the configuration without it."""

import inspect
import json
import logging
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from finetune.attention import Program
from finetune.attention.pretrained.config_names import CONFIG_KEY, PREFIX
from finetune.attention.pretrained.family import Family, find_family
from finetune.attention.pretrained.known_families import KNOWN_FAMILIES
from finetune.attention.standalone import locking
from finetune.attention.standalone.adapters import ADAPTER_CONFIG, lock_adapter
from finetune.attention.standalone.classes import automatic_class
from finetune.attention.standalone.own_code import CannotTravel, own_modules
from finetune.attention.standalone.sources import attention_module

logger = logging.getLogger(__name__)

ATTENTION_FILE, MODEL_FILE = "finetune_attention.py", "modeling_finetune_masks.py"
CODE_FILES = (ATTENTION_FILE, MODEL_FILE)
MODEL_TEXT = '''\
"""A model of transformers under the attention masks that its config.json names (attention_masks).

Written by finetune (https://pypi.org/project/finetune-masks) when it saved the model. Load it by
{auto}.from_pretrained(..., trust_remote_code=True); finetune.load(...) needs no code from here.
"""

import json

import transformers

from .finetune_attention import pretrained

{locking}

class {config}(transformers.{config}):
    """The stock configuration, under a name of its own and locked: without this code the masks would be lost."""

    model_type = "{model_type}"

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        return super().from_dict(unlock(config_dict), **kwargs)

    def to_json_string(self, *args, **kwargs):
        return json.dumps(lock(json.loads(super().to_json_string(*args, **kwargs))), indent=2, sort_keys=True) + "\\n"


class {model}(transformers.{model}):
    """The stock model under the masks."""

    config_class = {config}

    def __init__(self, config, *args, **kwargs):
        super().__init__(config, *args, **kwargs)
        pretrained.apply_saved_masks(self)
'''


def stand_alone(folder: Path) -> None:
    """Write the code that obeys a saved model's masks into its folder, and lock its configuration.

    A model with the standard masks is not changed, nor one that has its code already.

    Args:
        folder: The folder that `save_pretrained` has written, with config.json.

    Raises:
        PretrainedError: No automatic class of transformers loads the model.
    """
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if CONFIG_KEY in config and (folder / ADAPTER_CONFIG).is_file():
        lock_adapter(folder / ADAPTER_CONFIG)
    if CONFIG_KEY not in config or str(config["model_type"]).startswith(PREFIX):
        return
    config_class = CONFIG_MAPPING[config["model_type"]].__name__
    (model_class,) = config["architectures"]  # transformers writes the class that was saved
    auto_class = automatic_class(model_class)
    module = MODEL_FILE.removesuffix(".py")
    config |= {
        "model_type": PREFIX + config["model_type"],
        "auto_map": {"AutoConfig": f"{module}.{config_class}", auto_class: f"{module}.{model_class}"},
    }
    text = MODEL_TEXT.format(
        auto=auto_class,
        config=config_class,
        model=model_class,
        model_type=config["model_type"],
        locking=inspect.getsource(locking).partition('"""\n\n')[2],  # without the module's docstring
    )
    (folder / MODEL_FILE).write_text(text, encoding="utf-8")
    (folder / ATTENTION_FILE).write_text(_attention_module(config), encoding="utf-8")
    path.write_text(json.dumps(locking.lock(config), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _attention_module(config: Mapping[str, Any]) -> str:
    """Return the code of the attention package for a configuration, with a warning if a mask's code is left out."""
    families = tuple(_added_families(config))
    try:
        return attention_module(own_modules(Program.from_config(config[CONFIG_KEY]["program"])), families)
    except CannotTravel as error:
        _warn(str(error))
        return attention_module(families=families)


def _added_families(config: Mapping[str, Any]) -> Iterator[Family]:
    """Yield the families of a configuration and of those in it that are not part of the attention package."""
    for part in (config, config.get("encoder") or {}, config.get("decoder") or {}):
        found = find_family(str(part.get("model_type") or "").removeprefix(PREFIX))
        if found is not None and found not in KNOWN_FAMILIES:
            yield found


@cache
def _warn(problem: str) -> None:
    """Warn once about a mask whose code is not saved; where it is missing, loading the model fails and names it."""
    logger.warning(
        "the model will not load where finetune is not installed, because the code of a mask cannot be saved: %s",
        problem,
    )


def stock_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a model with masks under its stock `model_type`, unlocked.

    The masks are still in it, for `finetune.attention.pretrained.apply_saved_masks`.

    Args:
        config: A parsed config.json. That of a model without masks is returned unchanged.
    """
    if not str(config.get("model_type", "")).startswith(PREFIX):
        return dict(config)
    stock = {key: value for key, value in locking.unlock(dict(config)).items() if key != "auto_map"}
    return stock | {"model_type": stock["model_type"].removeprefix(PREFIX)}
