"""Configurations as they are stored, read within limits and without running code."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils.hub import cached_file

from finetune.attention.standalone import stock_config
from finetune.documents import read_json
from finetune.errors import UserError
from finetune.models.broken import first_line

CONFIG = "config.json"


def read_config(name: str, **options: Any) -> PreTrainedConfig:
    """The configuration of a model; of one with masks its stock configuration, and its masks are in it still.

    Args:
        name: A folder or a Hub name.
        options: What `from_pretrained` takes beside it: revision, cache_dir.

    Raises:
        UserError: There is none, or it is no configuration of an architecture that transformers knows by itself.
        OSError: The Hub cannot give it.
    """
    fetched = {key: value for key, value in options.items() if key != "trust_remote_code"}
    path = cached_file(name, CONFIG, **fetched)
    if path is None:
        raise UserError(f"{name} holds no model", expected=f"a folder or a name on the Hub with a {CONFIG}", where=name)
    stored = read_json(Path(path))
    try:
        stock = stock_config(stored)
        if stock == stored:
            config: PreTrainedConfig = AutoConfig.from_pretrained(name, **options)
        else:
            config = CONFIG_MAPPING[stock["model_type"]].from_dict(stock)
            config.name_or_path = name
    except OSError:
        raise  # the Hub's affair: the file is there
    except Exception as error:  # what transformers raises for values of other types than it expects is of any kind
        raise UserError(
            f"the configuration of {name} cannot be read",
            expected="a config.json of an architecture that transformers knows by itself",
            found=first_line(error),
            where=str(path),
            fix="choose another model, or fetch its files again; code that comes with a model is never run",
        ) from error
    return config
