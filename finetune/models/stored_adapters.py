"""Loading of stored adapters of the peft library.

A folder with an adapter holds adapter_config.json and adapter_model.safetensors, and the config.json of the whole
model. The base model is loaded from its own source.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel
from transformers.utils.hub import cached_file

from finetune.attention.standalone.adapters import ADAPTER_CONFIG, unlocked
from finetune.documents import read_json
from finetune.errors import MissingExtra, UserError
from finetune.models.broken import first_line
from finetune.models.completeness import bad_weights, check_finite, some
from finetune.models.source import PretrainedSource, base_source

if TYPE_CHECKING:
    from peft import PeftConfig

ADAPTER_WEIGHTS = "adapter_model.safetensors"


def import_peft() -> Any:
    """Import and return the peft library.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingExtra("an adapter", "peft") from error
    return peft


def find_adapter(source: PretrainedSource) -> "PeftConfig | None":
    """Return the configuration of the adapter in a folder or a Hub repository; None where it holds no adapter.

    Raises:
        UserError: The configuration cannot be read.
    """
    found = cached_file(
        source.path,
        ADAPTER_CONFIG,
        revision=source.revision,
        cache_dir=source.cache_dir,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if found is None:
        return None
    stored, peft = read_json(Path(found)), import_peft()
    try:
        return cast("PeftConfig", peft.PeftConfig.from_peft_type(**unlocked(stored)))
    except Exception as error:  # peft raises errors of many types for wrong values
        raise UserError(
            f"the adapter of {source.path} cannot be read",
            expected=f"an {ADAPTER_CONFIG} as peft {peft.__version__} writes it",
            found=first_line(error),
            where=source.key,
            fix="download its files again, or install the version of peft that wrote it",
        ) from error


def base_of(config: "PeftConfig", source: PretrainedSource) -> PretrainedSource:
    """Return the source of the base model that an adapter belongs to.

    Raises:
        UserError: The adapter names no base model, or a folder that does not exist.
    """
    key = f"base_model_name_or_path of {source.path}/{ADAPTER_CONFIG}"
    if not config.base_model_name_or_path:
        raise UserError("the adapter does not say which model it belongs to", where=key)
    return base_source(config.base_model_name_or_path, key, config.revision or "main", source.cache_dir)


def load_adapter(model: PreTrainedModel, source: PretrainedSource) -> PreTrainedModel:
    """Return a model with the trained adapter of `source`, in evaluation mode.

    Raises:
        UserError: The adapter does not fit the model, or its file lacks weights or holds weights that the model does
            not have or that are not finite.
    """
    _stored_names(source)  # raises an error before peft looks for pickled weights
    try:
        adapted = _from_pretrained(model, source)
    except KeyError as error:  # raised by peft for a module that is stored whole, such as the head
        raise _incomplete(source, [str(error.args[0])]) from error
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the adapter of {source.path} does not fit this run's model",
            where=source.key,
            expected="the model and the labels that the adapter was trained for",
            found=str(error).strip().splitlines()[-1].strip(),
            fix="save it merged (adapter.merge=true), or start from the model that it belongs to",
        ) from error
    _check_adapter(adapted, source)
    adapted.train(False)
    return cast(PreTrainedModel, adapted)


def _from_pretrained(model: PreTrainedModel, source: PretrainedSource) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found missing adapter keys")  # `_check_adapter` raises an error
        return import_peft().PeftModel.from_pretrained(
            model,
            source.path,
            config=find_adapter(source),
            revision=source.revision,
            cache_dir=source.cache_dir,
            is_trainable=False,
        )


def replaced_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the names of the modules of the base model that the adapter replaces as a whole, such as the head."""
    wrapper = import_peft().utils.ModulesToSaveWrapper
    inner: PreTrainedModel = cast("Any", model).get_base_model()
    return tuple(name for name, module in inner.named_modules() if isinstance(module, wrapper))


def _check_adapter(adapted: Any, source: PretrainedSource) -> None:
    """Make sure that an adapter's file holds all weights of the adapter.

    peft draws missing weights at random, and only warns.

    Raises:
        UserError: Weights are missing, unexpected or not finite.
    """
    needed = import_peft().get_peft_model_state_dict(adapted, save_embedding_layers=False)
    found = _stored_names(source)
    absent = sorted(needed.keys() - found)
    if absent:
        raise _incomplete(source, absent)
    beyond = sorted(found - needed.keys() - adapted.state_dict().keys())
    if beyond:
        problem = "do not fit the model that the adapter belongs to"
        raise bad_weights(source, problem, f"weights that it has no place for: {some(beyond)}", _correct(source))
    check_finite(needed, source)


def _incomplete(source: PretrainedSource, absent: Sequence[str]) -> UserError:
    return bad_weights(source, "are incomplete", f"nothing for {some(absent)} in {ADAPTER_WEIGHTS}", _correct(source))


def _correct(source: PretrainedSource) -> str:
    return f"correct {source.key}, or its {ADAPTER_CONFIG} if that was edited"


def _stored_names(source: PretrainedSource) -> set[str]:
    """Return the names of the weights in an adapter's file.

    Raises:
        UserError: The file is absent or damaged.
    """
    path = cached_file(
        source.path,
        ADAPTER_WEIGHTS,
        revision=source.revision,
        cache_dir=source.cache_dir,
        _raise_exceptions_for_missing_entries=False,
    )
    if path is None:
        raise bad_weights(
            source,
            "are not in the safetensors format",
            f"no {ADAPTER_WEIGHTS}",
            "save the adapter again by peft's save_pretrained; pickled weights can run code and are not loaded",
        )
    try:
        with safe_open(path, framework="pt") as file:
            return set(file.keys())
    except SafetensorError as error:
        raise bad_weights(source, "are damaged", str(error), "download or copy them again") from error
