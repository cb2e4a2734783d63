"""Adapters of the peft library: made and merged."""

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


@dataclass(frozen=True)
class TargetModules:
    """Ends of the names of modules that an adapter changes, and those among them that are feed-forward layers."""

    names: tuple[str, ...]
    feed_forward: tuple[str, ...] = ()


def is_adapted(model: nn.Module) -> bool:
    """Whether a model carries an adapter."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def learns_prefix(model: nn.Module) -> bool:
    """Whether the adapter puts learned keys and values before the text, which masks do not allow."""
    return bool(getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False))


def adapt(model: PreTrainedModel, adapter: recipe.Adapter | None, head: Head, *, seed: int) -> PreTrainedModel:
    """The model with a new adapter to train, or without one where the recipe names none.

    An adapter that the model was loaded with is merged into it first.

    Args:
        model: What `load_model` gave.
        adapter: The recipe's adapter.
        head: The model's head; where it has weights of its own, they are trained too, and saved with the adapter.
        seed: Fixes the adapter's first weights. The global random generators are left as they were.

    Returns:
        The model itself, or a `peft.PeftModel` around it, which passes on what it is asked.

    Raises:
        UserError: The model cannot be adapted so.
        MissingExtra: peft is not installed.
    """
    if is_adapted(model):
        model = merge_adapter(model)
    if adapter is None:
        return model
    peft = import_peft()
    if isinstance(model, EncoderDecoderModel) and not model.name_or_path:
        raise UserError(
            "two encoders put together have new weights between them, which an adapter would leave as they are",
            where="adapter",
            expected="a pretrained encoder-decoder (google-t5/t5-small)",
            fix="train all weights first (adapter=null), then adapt the run's model by model.name",
        )
    with quiet(), seeded(seed):
        config = _config(model, adapter, head)
        return cast(PreTrainedModel, peft.get_peft_model(cast("Any", model), config))


def merge_adapter(model: PreTrainedModel) -> PreTrainedModel:
    """The plain model that computes the same: the adapter is multiplied into its weights.

    Raises:
        UserError: The adapter is a prefix, which no weights can hold.
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
        del merged.peft_config  # otherwise transformers would save an adapter that is no more
    return merged.requires_grad_(True)


def sort_sets(model: PreTrainedModel, folder: Path) -> None:
    """Sort what peft keeps as sets in the adapter configurations that it saved in `folder`.

    Python orders a set of texts anew in each process, and the files of two equal models are to be equal.

    Args:
        model: The adapted model.
        folder: Where it was saved.
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
    """What LoRA changes where the recipe names nothing: queries and values, as Hu et al. 2021 do."""
    return TargetModules(family(model.config).lora_targets or ())


def _ia3_targets(model: PreTrainedModel) -> TargetModules:
    """What IA3 changes where the recipe names nothing.

    These are keys, values and the inputs of the feed-forward's second layer, as of Liu et al. 2022.
    """
    found = family(model.config)
    return TargetModules(found.ia3_targets or (), found.ia3_feed_forward)


def _targets(model: PreTrainedModel, named: Sequence[str] | None, usual: TargetModules) -> TargetModules:
    """The named modules, or the usual ones where the model has them all."""
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
            f"the model has no module {missing[0]!r} to adapt" if missing else "it is not known what to adapt here",
            where="adapter.targets",
            expected=f"ends of names such as {', '.join(ends)}",
            fix=f"did you mean {near}?" if near else "adapter.targets=[...]",
        )
    return TargetModules(tuple(named), tuple(name for name in named if name in usual.feed_forward))


def _check_takes_prefix(model: PreTrainedModel, head: Head) -> None:
    """Refuse models whose attention takes no keys and values from outside.

    Raises:
        UserError: It is such a model.
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
