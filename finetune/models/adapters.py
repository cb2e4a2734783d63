"""Adapters of the peft library: adding them to models, and merging them into weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn
from transformers import EncoderDecoderModel, PreTrainedModel

from finetune import recipe
from finetune.attention.standalone.adapters import ADAPTER_CONFIG
from finetune.errors import UserError, nearest
from finetune.models.families import Head, family
from finetune.models.heads import head_names, new_modules
from finetune.models.quiet import quiet, seeded
from finetune.models.stored_adapters import import_peft

ALL_LINEAR = ("all-linear",)
"""The value of adapter.targets by which LoRA adapts every linear layer but the head."""


@dataclass(frozen=True)
class TargetModules:
    """The modules that an adapter changes.

    Args:
        names: The endings of their names.
        feed_forward: Those among them that are feed-forward layers, whose inputs IA3 scales.
    """

    names: tuple[str, ...]
    feed_forward: tuple[str, ...] = ()


def is_adapted(model: nn.Module) -> bool:
    """Return whether a model has an adapter."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def learns_prefix(model: nn.Module) -> bool:
    """Return whether a model's adapter puts learned keys and values before the text, which masks do not support."""
    return bool(getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False))


def adapt(model: PreTrainedModel, adapter: recipe.Adapter | None, head: Head, *, seed: int) -> PreTrainedModel:
    """Add a new adapter to a model, where the recipe has one.

    An adapter that the model was loaded with is first merged into its weights.

    Args:
        model: The model, as `load_model` returns it.
        adapter: The recipe's adapter; None adds none.
        head: The name of the model's head. The head's own weights are trained, too, and saved with the adapter.
        seed: The seed of the adapter's new weights. The global random generators keep their state.

    Returns:
        The model itself, or a `peft.PeftModel` that wraps it and has its attributes.

    Raises:
        UserError: The model cannot have this adapter.
        MissingExtra: peft is not installed.
    """
    if is_adapted(model):
        model = merge_adapter(model)
    if adapter is None:
        return model
    peft = import_peft()
    if isinstance(model, EncoderDecoderModel) and not model.name_or_path:
        raise UserError(
            "the new cross-attention weights between two encoders would stay untrained with an adapter",
            where="adapter",
            expected="a pretrained encoder-decoder (google-t5/t5-small)",
            fix="train all weights first (adapter=null), then adapt the run's model by model.name",
        )
    with quiet(), seeded(seed):
        config = _config(model, adapter, head)
        return cast(PreTrainedModel, peft.get_peft_model(cast("Any", model), config))


def merge_adapter(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model without its adapter, which is merged into the weights; it computes the same.

    Raises:
        UserError: The adapter is a prefix, which cannot be merged into weights.
    """
    if not is_adapted(model):
        return model
    if learns_prefix(model):
        raise UserError(
            "a prefix cannot be merged into a model's weights",
            where="adapter",
            expected="an adapter of kind lora or ia3",
            fix="start from the model that the prefix was trained for",
        )
    merged: PreTrainedModel = cast("Any", model).merge_and_unload()
    if hasattr(merged, "peft_config"):
        del merged.peft_config  # else transformers would save the removed adapter
    return merged.requires_grad_(True)


def sort_sets(model: PreTrainedModel, folder: Path) -> None:
    """Sort the sets in the adapter configurations that peft has saved in a folder.

    Python orders a set of strings differently in each process; sorted, the files of equal models are equal.

    Args:
        model: The model with the adapter.
        folder: The folder in which it was saved.
    """
    for name, config in cast("Any", model).peft_config.items():
        path = (folder if name == "default" else folder / name) / ADAPTER_CONFIG
        stored = json.loads(path.read_text(encoding="utf-8"))
        stored |= {key: sorted(value) for key, value in config.to_dict().items() if isinstance(value, set)}
        path.write_text(json.dumps(stored, indent=2, sort_keys=True), encoding="utf-8")


def _config(model: PreTrainedModel, adapter: recipe.Adapter, head: Head) -> Any:
    peft = import_peft()
    trained = sorted({name.partition(".")[0] for name in head_names(model)} | set(new_modules(model))) or None
    common: dict[str, Any] = {"task_type": recipe.find_head(head).peft_task_type, "inference_mode": False}
    if adapter.kind == "prefix_tuning":
        _check_takes_prefix(model, head)
        return peft.PrefixTuningConfig(
            num_virtual_tokens=adapter.num_virtual_tokens or 20,
            modules_to_save=list(new_modules(model)) or None,
            **common,
        )
    if adapter.kind == "ia3":
        targets = _targets(model, adapter.targets, _ia3_targets(model))
        return peft.IA3Config(
            target_modules=list(targets.names),
            feedforward_modules=list(targets.feed_forward),
            modules_to_save=trained,
            **common,
        )
    rank = adapter.rank or 8
    everywhere = adapter.targets == ALL_LINEAR
    return peft.LoraConfig(
        r=rank,
        lora_alpha=adapter.alpha or 2 * rank,
        lora_dropout=adapter.dropout or 0.0,
        target_modules=ALL_LINEAR[0]
        if everywhere
        else list(_targets(model, adapter.targets, _lora_targets(model)).names),
        modules_to_save=trained,
        **common,
    )


def _lora_targets(model: PreTrainedModel) -> TargetModules:
    """Return the modules that LoRA adapts by default: queries and values (Hu et al. 2021)."""
    return TargetModules(family(model.config).lora_targets or ())


def _ia3_targets(model: PreTrainedModel) -> TargetModules:
    """Return the modules that IA3 adapts by default: keys, values, second feed-forward layer (Liu et al. 2022)."""
    found = family(model.config)
    return TargetModules(found.ia3_targets or (), found.ia3_feed_forward)


def _targets(model: PreTrainedModel, named: Sequence[str] | None, usual: TargetModules) -> TargetModules:
    """Return the modules that the recipe names, or the usual ones where it names none and the model has them all.

    Raises:
        UserError: The model has no module of a given name, or the usual modules are not known.
    """
    modules = [f".{name}" for name, module in model.named_modules() if isinstance(module, nn.Linear)]

    def present(target: str) -> bool:
        return any(name.endswith(f".{target}") for name in modules)

    if named is None and usual.names and all(map(present, usual.names)):
        return usual
    missing = [target for target in named or () if not present(target)]
    if missing or not named:
        ends = sorted({name.rpartition(".")[2] for name in modules})
        near = nearest(missing[0], ends) if missing else None
        raise UserError(
            f"the model has no module {missing[0]!r} to adapt"
            if missing
            else "the modules to adapt are not known for this model",
            where="adapter.targets",
            expected=f"endings of module names, such as {', '.join(ends)}",
            fix=f"did you mean {near}?" if near else "adapter.targets=[...]",
        )
    return TargetModules(tuple(named), tuple(name for name in named if name in usual.feed_forward))


def _check_takes_prefix(model: PreTrainedModel, head: Head) -> None:
    """Raise an error where a model's attention does not accept keys and values from outside.

    Raises:
        UserError: The model and the head cannot have a prefix.
    """
    both = family(model.config).is_encoder_decoder
    takes = both and not isinstance(model, EncoderDecoderModel) if recipe.find_head(head).writes_text else not both
    if not takes:
        raise UserError(
            "prefix tuning does not go with this model and task",
            where="adapter.kind",
            expected="a BERT for text and token classification, a T5 for text to text",
            found=f"{type(model).__name__} for {head.replace('_', ' ')}",
            fix="adapter.kind=lora or ia3",
        )
