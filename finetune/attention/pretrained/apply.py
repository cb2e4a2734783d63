"""`apply_masks` replaces the masks of a pretrained model by a program of masks; `remove_masks` undoes it.

The hooks are installed in `installation`, whose `install_hooks` describes the order in which they run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from finetune.attention.masks.base import Needs
from finetune.attention.pretrained.config_names import CONFIG_KEY
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.families import find_stacks, transformers_model
from finetune.attention.pretrained.implementation import Implementations, restore_attention, use_masked_attention
from finetune.attention.pretrained.installation import StackMasks, install_hooks
from finetune.attention.pretrained.interface import ASSIGNMENT
from finetune.attention.pretrained.saving import save_as_before, save_with_masks
from finetune.attention.pretrained.special_tokens import needed_token_ids
from finetune.attention.pretrained.streams import why_no_stream
from finetune.attention.pretrained.virtual import check_adapters
from finetune.attention.program import SITES, Program, SiteName

ModelT = TypeVar("ModelT", bound=nn.Module)

STATE = "_finetune_masks"
"""The attribute of a model that holds its `AppliedMasks`."""


@dataclass(frozen=True)
class AppliedMasks:
    """What `apply_masks` changed in a model, so that `remove_masks` can undo it.

    Args:
        program: The masks.
        handles: The handles that remove the hooks.
        before: The attention implementations that the model had.
    """

    program: Program
    handles: tuple[RemovableHandle, ...]
    before: Implementations


def apply_masks(
    model: ModelT,
    program: Program | Mapping[str, object],
    *,
    special_tokens: Mapping[str, int | Sequence[int]] | None = None,
    kernel: str | None = None,
) -> ModelT:
    """Put a program of masks into a pretrained model, in place.

    The weights and the names in `state_dict` do not change. The program is stored in the model's config, and
    `save_pretrained` writes the code that obeys it beside the weights, see `finetune.attention.standalone`.

    Padding is excluded in addition to the masks. Positions count from 0 at the first token of each example, on
    whichever side the padding is. A query that may attend to nothing gets an output of zeros.

    Masks read these columns and values: `is_<name>` for each special token, `segment` (`token_type_ids`), and what is
    passed as `model(..., mask_features={name: tensor})`, with shape [batch, tokens] for a token column and [batch] for
    a value of each example. In an encoder-decoder, `mask_features` describes the source and `decoder_mask_features` the
    target; the masks of both sides can read the values of either. `finetune.attention.pretrained.generate` generates
    text with such features.

    The model then also accepts ragged streams: `model(input_ids, layout=Ragged.from_lengths(...), use_cache=False)`,
    with all examples in one row [1, tokens] and without `attention_mask`. In an encoder-decoder, `layout` describes the
    source and `decoder_layout` the target. Outputs are [1, tokens, ...], and [examples, ...] where a head pools
    examples. Columns are then [1, tokens], and values [examples]. `reads_streams` tells whether a model accepts them.

    If an encoder-decoder is called without `decoder_attention_mask`, the padding of the target is derived from the
    labels.

    Args:
        model: A model of transformers; it may be wrapped (PEFT, DistributedDataParallel).
        program: The masks, as a Program or as the mapping that `Program.from_config` reads.
        special_tokens: One id or several for each name of a special token that masks use, as
            `special_token_ids(tokenizer)` returns them. Those in the model's config (bos, eos, pad, cls, sep) need not
            be given.
        kernel: The kernel that computes attention in ragged streams; None leaves the choice to the plan.

    Returns:
        The model.

    Raises:
        PretrainedError: The model cannot take masks, or has no attention at a site that the program names.
        ProgramError: The program cannot be read, or names a layer that the model does not have.
        MaskError: A mask cannot be read, or names a predicate that is not registered.
    """
    program = program if isinstance(program, Program) else Program.from_config(program)
    inner = transformers_model(model)
    check_adapters(model, program)
    stacks = tuple(StackMasks.of(stack, program) for stack in find_stacks(inner))
    check_sites(model, [name for name in SITES if not program.is_standard_at(name)])
    # The program is checked before anything is changed, so that an error leaves the model as it was. Earlier masks are
    # removed first, so that the attention implementations that are recorded next are those of the stock model.
    remove_masks(inner)
    known = needed_token_ids(inner, special_tokens or {}, Needs.together(masks.needs for masks in stacks))
    before = use_masked_attention(inner, [masks.stack for masks in stacks])
    setattr(inner, STATE, AppliedMasks(program, install_hooks(inner, stacks, known, program, kernel), before))
    if not program.is_standard:
        tokens = {name: list(ids) for name, ids in known.items()}
        setattr(inner.config, CONFIG_KEY, {"program": program.to_config(), "special_tokens": tokens})
        for part in {id(part): part for part in (inner, model)}.values():
            save_with_masks(part)
    return model


def remove_masks(model: ModelT) -> ModelT:
    """Remove the masks of a model and restore its config, in place; a model without masks is returned unchanged.

    Raises:
        PretrainedError: The model contains no model of transformers, or is part of a model that was given masks.
    """
    inner = transformers_model(model)
    for part in inner.modules():
        if isinstance(part, PreTrainedModel) and hasattr(part, STATE):
            _remove(part, getattr(part, STATE))
    if any(hasattr(part, ASSIGNMENT) for part in inner.modules()):
        raise PretrainedError(
            f"this {type(inner).__name__} is part of a model that was given masks; apply and remove them there"
        )
    if hasattr(inner.config, CONFIG_KEY):
        delattr(inner.config, CONFIG_KEY)
    save_as_before(model)
    return model


def _remove(model: PreTrainedModel, applied: AppliedMasks) -> None:
    for handle in applied.handles:
        handle.remove()
    for module in model.modules():
        if hasattr(module, ASSIGNMENT):
            delattr(module, ASSIGNMENT)
    restore_attention(applied.before)
    save_as_before(model)
    delattr(model, STATE)


def apply_saved_masks(model: ModelT) -> ModelT:
    """Apply the program in a loaded model's config, in place; a model whose config has none is returned unchanged.

    Raises:
        PretrainedError: The config's entry cannot be read, the model cannot take masks, or it has no attention at a
            site that the program names.
        ProgramError: The program cannot be read, or names a layer that the model does not have.
        MaskError: A mask cannot be read, or names a predicate that is not registered.
    """
    saved = saved_masks(transformers_model(model).config)
    if saved is None:
        return model
    program, special_tokens = saved
    return apply_masks(model, program, special_tokens=special_tokens)


def saved_masks(config: object) -> tuple[Program, dict[str, list[int]]] | None:
    """Return the program in a model's config and the ids of the special tokens that it names; None if it has none.

    Raises:
        PretrainedError: The entry does not have the form that `apply_masks` writes.
        ProgramError: The program cannot be read.
    """
    saved = getattr(config, CONFIG_KEY, None)
    if saved is None:
        return None
    if not isinstance(saved, Mapping) or not isinstance(saved.get("program"), Mapping):
        raise PretrainedError(
            f"the config's {CONFIG_KEY} cannot be read: expected a mapping with the key 'program', found {saved!r}"
        )
    return Program.from_config(saved["program"]), dict(saved.get("special_tokens") or {})


def reads_streams(model: nn.Module) -> bool:
    """Return whether a model accepts ragged streams: masks were applied to it, and no part of it needs padded rows.

    Raises:
        PretrainedError: It contains no model of transformers.
    """
    inner = transformers_model(model)
    return hasattr(inner, STATE) and all(why_no_stream(inner, stack) is None for stack in find_stacks(inner))


def check_sites(model: nn.Module, names: Iterable[SiteName]) -> None:
    """Check that a model has attention at all sites that masks were given for.

    A program also has the standard masks of sites that nobody named, so `apply_masks` can check only the others. Where
    a user names a site, its mask must have an effect even if it is a standard one: `{"decoder": "causal()"}` does not
    make BERT causal.

    Args:
        model: A model of transformers; it may be wrapped.
        names: The sites.

    Raises:
        PretrainedError: The model has no attention at one of the sites.
    """
    inner = transformers_model(model)
    stacks = find_stacks(inner)
    present: set[SiteName] = {stack.site for stack in stacks}
    if any(stack.cross_attention for stack in stacks):
        present.add("cross")
    for name in names:
        if name not in present:
            sites = " and ".join(sorted(present))
            raise PretrainedError(f"the program has a mask for {name}, but {type(inner).__name__} has only {sites}")
