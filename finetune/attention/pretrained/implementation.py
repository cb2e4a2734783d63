"""Sets the attention implementation of a model, which every attention module reads from its config.

Each module of transformers keeps a reference to a config, and calls the attention function that this config names. The
references within one model may differ: `EncoderDecoderModel(encoder=..., decoder=...)` gives its own configs to its two
halves, but the attention modules inside a pretrained half keep the config that the half was loaded with, which
`set_attn_implementation` does not reach. Therefore this module gives the attention modules of a stack the stack's
config.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.families import AttentionStack
from finetune.attention.pretrained.interface import NAME


@dataclass(frozen=True, eq=False)
class Implementations:
    """The attention implementations of a model before masks were applied, and the configs that its modules had.

    Args:
        names: Each config of the model and its modules with the attention implementation that it named, outer configs
            before the configs that they contain.
        configs: Each attention module that was given another config, with the config that it had.
    """

    names: tuple[tuple[PreTrainedConfig, str | None], ...]
    configs: tuple[tuple[nn.Module, PreTrainedConfig], ...]


def use_masked_attention(model: PreTrainedModel, stacks: Sequence[AttentionStack]) -> Implementations:
    """Make every attention module of the stacks call `masked_attention`, in place.

    Returns:
        The former state of the model, for `restore_attention`.

    Raises:
        PretrainedError: The implementation of a stack or of an attention module cannot be set. The model is unchanged.
    """
    names = tuple((config, config._attn_implementation) for config in _configs(model))
    before = Implementations(names, tuple(_other_configs(stacks)))
    try:
        model.set_attn_implementation(NAME)
        for stack in stacks:
            _share_config(stack)
    except PretrainedError:
        restore_attention(before)
        raise
    return before


def restore_attention(before: Implementations) -> None:
    """Restore the configs and the attention implementations of a model's modules, in place."""
    for module, config in before.configs:
        if _config_of(module) is not config:
            _set_config(module, config)
    # Setting the implementation of a config also sets it in the configs that it contains, so inner configs come later.
    for config, name in before.names:
        config._attn_implementation = name


def check_masked_attention(stack: nn.Module) -> None:
    """Raise an error if a stack does not call `masked_attention` any more.

    Raises:
        PretrainedError: The stack's attention implementation or its config was set after masks were applied.
    """
    config = getattr(stack, "config", None)
    found = getattr(config, "_attn_implementation", None)
    if found != NAME:
        raise PretrainedError(
            f"the attention implementation of {type(stack).__name__} was set to {found!r} after masks were applied, "
            "which would lose them; call apply_masks after set_attn_implementation, or remove_masks to do without masks"
        )


def _configs(model: PreTrainedModel) -> list[PreTrainedConfig]:
    """Return each config of a model and its modules once, outer configs first."""
    found = [config for module in model.modules() if (config := _config_of(module)) is not None]
    return list({id(config): config for config in found}.values())


def _config_of(module: nn.Module) -> PreTrainedConfig | None:
    config = getattr(module, "config", None)
    return config if isinstance(config, PreTrainedConfig) else None


def _other_configs(stacks: Sequence[AttentionStack]) -> Iterator[tuple[nn.Module, PreTrainedConfig]]:
    """Yield each attention module that has another config than its stack, with that config."""
    for stack in stacks:
        for attention in _attentions(stack):
            config = _config_of(attention)
            if config is not None and config is not stack.module.config:
                yield attention, config


def _attentions(stack: AttentionStack) -> list[nn.Module]:
    return list(dict.fromkeys((*stack.self_attention, *stack.cross_attention)))


def _share_config(stack: AttentionStack) -> None:
    """Set the config of a stack in its attention modules.

    Raises:
        PretrainedError: An attention module would then still call another attention function.
    """
    config = stack.module.config
    for attention, _ in _other_configs([stack]):
        _set_config(attention, config)
    # A module without a config gets its attention function from elsewhere, and would ignore the masks.
    lost = [each for each in _attentions(stack) if _config_of(each) is not config]
    if lost or config._attn_implementation != NAME:
        part = type(lost[0] if lost else stack.module).__name__
        raise PretrainedError(f"{part} does not let its attention implementation be set, and would lose the masks")


def _set_config(module: nn.Module, config: PreTrainedConfig) -> None:
    try:
        module.config = config  # type: ignore[assignment]
    except AttributeError as error:
        raise PretrainedError(f"{type(module).__name__} does not let its config be set: {error}") from error
