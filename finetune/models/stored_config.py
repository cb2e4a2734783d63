"""Reading of stored configurations, within limits of size and without running code."""

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
    """Return the configuration of a model; for a model with masks the stock configuration, which still holds the masks.

    Args:
        name: A folder or a name on the Hub.
        options: Keyword arguments of `from_pretrained`: revision, cache_dir and trust_remote_code.

    Raises:
        UserError: There is no configuration, or its architecture is not part of transformers.
        OSError: The Hub cannot be reached, or refuses access.
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
        raise  # the file exists, so this is a failure of the Hub
    except Exception as error:  # transformers raises errors of many types for wrong values
        raise UserError(
            f"the configuration of {name} cannot be read",
            expected="a config.json of an architecture that is part of transformers",
            found=first_line(error),
            where=str(path),
            fix="choose another model, or download its files again; code that comes with a model is never run",
        ) from error
    return config


def attention_shape(config: PreTrainedConfig) -> tuple[int, int]:
    """Return the numbers of layers and of attention heads of a model, or of its encoder where that is another model.

    Args:
        config: The configuration of the model.
    """
    if config.model_type == "encoder-decoder":
        config = config.encoder
    return int(config.num_hidden_layers), int(config.num_attention_heads)
