"""`apply_masks`: a program of masks in place of the masks of a pretrained model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.attention.masks import Mask
from finetune.attention.masks.base import Needs
from finetune.attention.masks.global_tokens import mark_column
from finetune.attention.pretrained.cls_only import ClsOnlyHook, last_attention
from finetune.attention.pretrained.config_names import CONFIG_KEY
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.families import AttentionStack, find_stacks, transformers_model
from finetune.attention.pretrained.hooks import (
    CarryHook,
    SourceHook,
    SpecialTokens,
    StackHook,
    install,
    is_encoder_decoder,
    parameter_names,
)
from finetune.attention.pretrained.implementation import Implementations, restore_attention, use_masked_attention
from finetune.attention.pretrained.interface import ASSIGNMENT, MaskAssignment
from finetune.attention.pretrained.saving import save_as_before, save_with_masks
from finetune.attention.pretrained.streams import (
    EndOfTextHook,
    PoolHook,
    RelativeBiasHook,
    finds_ends,
    read_token,
    why_no_stream,
)
from finetune.attention.pretrained.tokens import BatchFeatures
from finetune.attention.pretrained.virtual import check_adapters
from finetune.attention.program import SITES, Program, SiteName

ModelT = TypeVar("ModelT", bound=nn.Module)

STATE = "_finetune_masks"
"""The attribute of a model that holds what `remove_masks` needs."""
SOURCE_INPUTS = {"input_ids", "inputs_embeds", "token_type_ids"}
"""What the encoder alone reads."""


@dataclass(frozen=True)
class AppliedMasks:
    """What was done to a model.

    Args:
        program: The masks.
        handles: Of the hooks.
        before: The attention implementations that the model had.
    """

    program: Program
    handles: tuple[torch.utils.hooks.RemovableHandle, ...]
    before: Implementations


@dataclass(frozen=True)
class StackMasks:
    """The masks of one stack, by layer."""

    stack: AttentionStack
    masks: tuple[Mask, ...]
    cross_masks: tuple[Mask, ...]


def apply_masks(
    model: ModelT,
    program: Program | Mapping[str, object],
    *,
    special_tokens: Mapping[str, int | Sequence[int]] | None = None,
    kernel: str | None = None,
) -> ModelT:
    """Put a program of masks into a pretrained model, in place.

    Weights and the names in state_dict stay as they are; the program is stored in the model's config, and
    save_pretrained writes the code that obeys it beside the weights, see `finetune.attention.standalone`. Padding is
    excluded beside the masks: each example's positions count from 0 at its first token, whatever side the padding is
    on. A query that may attend to nothing gets zeros.

    What masks read of tokens: `is_<name>` for each special token, `segment` for token_type_ids, and whatever is given
    as `model(..., mask_features={name: tensor})`, [batch, tokens] for columns and [batch] for values of examples. In an
    encoder-decoder these are the source's, and `decoder_mask_features` the target's; values are known to both. See
    `generate` for text generation with such features.

    The model then also reads ragged streams: `model(input_ids, layout=Ragged.from_lengths(...), use_cache=False)` with
    all examples in one row [1, tokens] and no attention_mask; in an encoder-decoder `layout` is the source's and
    `decoder_layout` the target's. Outputs are of the one row too, [1, tokens, ...], and [examples, ...] where a head
    pools examples. Columns are then [1, tokens] and values [examples]. See `why_no_stream` for models that cannot.

    Without a decoder_attention_mask, the padding of an encoder-decoder's target is told from the labels.

    Args:
        model: A model of transformers; it may be wrapped (PEFT, DistributedDataParallel).
        program: The masks, as a Program or in the form of its `from_config`.
        special_tokens: name -> id or ids, of the tokens that masks name, as `special_token_ids(tokenizer)` gives
            them; those that the config names (bos, eos, pad, cls, sep) are known anyway.
        kernel: How attention in streams is computed; None leaves it to the plan.

    Returns:
        The model.

    Raises:
        PretrainedError: The model cannot take masks, or has no such site.
        ProgramError: The program cannot be read, or does not fit the layers.
        MaskError: A mask does not fit the number of heads.
    """
    program = program if isinstance(program, Program) else Program.from_config(program)
    inner = transformers_model(model)
    check_adapters(model, program)
    plans = tuple(_plan(stack, program) for stack in find_stacks(inner))
    _check_sites(program, plans, inner)
    remove_masks(inner)
    known = _known_tokens(inner, special_tokens or {}, Needs.together(_all_masks_needs(plans)))
    before = use_masked_attention(inner, [plan.stack for plan in plans])
    setattr(inner, STATE, AppliedMasks(program, _install(inner, plans, known, program, kernel), before))
    if not program.is_standard:
        tokens = {name: list(ids) for name, ids in known.items()}
        setattr(inner.config, CONFIG_KEY, {"program": program.to_config(), "special_tokens": tokens})
        for part in {id(part): part for part in (inner, model)}.values():
            save_with_masks(part)
    return model


def remove_masks(model: ModelT) -> ModelT:
    """Make a model stock again, in place, its config included; nothing happens where it is.

    Raises:
        PretrainedError: It holds no model of transformers, or is part of one that was given masks.
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
    """Put the program that a loaded model's config names into the model, in place; nothing where it names none.

    Raises:
        PretrainedError: As of `apply_masks`, like all that follow, or the config cannot be read.
        ProgramError: See there.
        MaskError: See there; so also where a custom predicate is not registered.
    """
    saved = saved_masks(transformers_model(model).config)
    if saved is None:
        return model
    program, special_tokens = saved
    return apply_masks(model, program, special_tokens=special_tokens)


def saved_masks(config: object) -> tuple[Program, dict[str, list[int]]] | None:
    """The program in a model's config, and the ids of the special tokens that it names; None where there is none.

    Raises:
        PretrainedError: The entry is not what `apply_masks` writes.
        ProgramError: The program cannot be read.
    """
    saved = getattr(config, CONFIG_KEY, None)
    if saved is None:
        return None
    if not isinstance(saved, Mapping) or not isinstance(saved.get("program"), Mapping):
        raise PretrainedError(f"the config's {CONFIG_KEY} cannot be read: {saved!r}")
    return Program.from_config(saved["program"]), dict(saved.get("special_tokens") or {})


def special_token_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The special tokens of a tokenizer by the names that masks use: cls, sep, eos, extra_id_0 ..."""
    roles = {name.removesuffix("_token"): text for name, text in tokenizer.special_tokens_map.items()}
    texts = {name: text for name, text in roles.items() if isinstance(text, str)}
    others = {re.sub(r"\W+", "_", text).strip("_"): text for text in tokenizer.all_special_tokens}
    named = {name: text for name, text in {**others, **texts}.items() if name}
    ids = tokenizer.get_vocab()
    return {name: ids[text] for name, text in named.items() if text in ids}


def reads_streams(model: nn.Module) -> bool:
    """Whether a model reads ragged streams: it was given masks, and has no part that reads rows.

    Raises:
        PretrainedError: It is no model of transformers.
    """
    inner = transformers_model(model)
    return hasattr(inner, STATE) and all(why_no_stream(inner, stack) is None for stack in find_stacks(inner))


def generate(model: nn.Module, *, mask_features: BatchFeatures | None = None, **inputs: Any) -> Any:
    """`model.generate(**inputs)` with features of the source for the masks, which `generate` itself does not take.

    Args:
        model: An encoder-decoder to which masks were applied.
        mask_features: As of `apply_masks`.
        inputs: What `generate` takes; with features, the attention mask is among it.

    Returns:
        What `generate` returns.

    Raises:
        PretrainedError: Features are given without an attention mask, or do not fit.
    """
    inner: Any = transformers_model(model)
    if mask_features is None:
        return inner.generate(**inputs)
    if inputs.get("attention_mask") is None:
        raise PretrainedError("generate needs the attention_mask where mask_features are given")
    source = {name: inputs.pop(name) for name in SOURCE_INPUTS & inputs.keys()}
    with torch.no_grad():
        encoded = inner.get_encoder()(
            **source, attention_mask=inputs["attention_mask"], mask_features=mask_features, return_dict=True
        )
    return inner.generate(encoder_outputs=encoded, **inputs)


def _plan(stack: AttentionStack, program: Program) -> StackMasks:
    own = stack.own_masks()
    given = program.by_layer(stack.site, stack.num_layers)
    masks = tuple(mask & window for mask, window in zip(given, own, strict=True))
    cross_masks = program.by_layer("cross", stack.num_layers) if stack.cross_attention else ()
    for mask in (*masks, *cross_masks):
        if stack.num_heads % mask.needs.heads:
            raise PretrainedError(
                f"the mask {mask} needs a multiple of {mask.needs.heads} heads, {type(stack.module).__name__} has "
                f"{stack.num_heads}"
            )
    if stack.family.shared and len(set(masks)) > 1:
        raise PretrainedError(f"the layers of {type(stack.module).__name__} are one and the same, and take one mask")
    return StackMasks(stack, masks, cross_masks)


def _check_sites(program: Program, plans: Sequence[StackMasks], model: PreTrainedModel) -> None:
    """Refuse masks of sites that the model does not have."""
    present: set[SiteName] = {plan.stack.site for plan in plans}
    if any(plan.cross_masks for plan in plans):
        present.add("cross")
    for name in SITES:
        if name not in present and not program.is_standard_at(name):
            sites = " and ".join(sorted(present))
            raise PretrainedError(f"the program has a mask for {name}, but {type(model).__name__} has only {sites}")


def _all_masks_needs(plans: Sequence[StackMasks]) -> list[Needs]:
    return [mask.needs for plan in plans for mask in (*plan.masks, *plan.cross_masks)]


def _known_tokens(
    model: PreTrainedModel, given: Mapping[str, int | Sequence[int]], needs: Needs
) -> dict[str, tuple[int, ...]]:
    """The ids of the special tokens that the masks name."""
    names = ("bos", "eos", "pad", "cls", "sep")
    of_config = {name: getattr(model.config, f"{name}_token_id", None) for name in names}
    known = {name: ids for name, ids in {**of_config, **given}.items() if ids is not None}
    needed = {name: ids for name, ids in known.items() if mark_column(name) in needs.columns}
    return {name: (ids,) if isinstance(ids, int) else tuple(ids) for name, ids in needed.items()}


def _install(
    model: PreTrainedModel, plans: Sequence[StackMasks], known: SpecialTokens, program: Program, kernel: str | None
) -> tuple[torch.utils.hooks.RemovableHandle, ...]:
    handles = [handle for plan in plans for handle in _install_stack(model, plan, known, kernel)]
    decoders = [plan for plan in plans if plan.cross_masks]
    decoder_masks = _different([mask for plan in decoders for mask in plan.masks])
    cross_masks = _different([mask for plan in decoders for mask in plan.cross_masks])
    standard = program.is_standard_at("decoder") and program.is_standard_at("cross")
    pairs = [part for part in model.modules() if isinstance(part, PreTrainedModel) and is_encoder_decoder(part)]
    for part in pairs:
        hook = SourceHook(parameter_names(part), decoder_masks, cross_masks, known, infer_padding=not standard)
        handles.append(install(part, hook))
    if finds_ends(model):
        handles.append(install(model, EndOfTextHook(parameter_names(model))))
    needs = Needs.together(mask.needs for mask in (*decoder_masks, *cross_masks))
    if pairs and (needs.columns or needs.values):
        carry = CarryHook(needs.columns, needs.values)
        handles += [install(plan.stack.module, carry) for plan in plans if plan.stack.site == "encoder"]
    return tuple(handles)


def _install_stack(
    model: PreTrainedModel, plan: StackMasks, known: SpecialTokens, kernel: str | None
) -> Iterator[torch.utils.hooks.RemovableHandle]:
    stack = plan.stack
    masks, cross_masks = _different(plan.masks), _different(plan.cross_masks)
    reads = read_token(model, stack.module)
    last = last_attention(stack, reads)
    # Layers that share an attention leave it the assignment of the first of them.
    for layer, attention in reversed(list(enumerate(stack.self_attention))):
        cls_only = last is not None and attention in last.modules()
        number = masks.index(plan.masks[layer])
        setattr(attention, ASSIGNMENT, MaskAssignment(stack.site, layer, number, cls_only))
        if plan.cross_masks:
            assignment = MaskAssignment("cross", layer, cross_masks.index(plan.cross_masks[layer]))
            setattr(stack.cross_attention[layer], ASSIGNMENT, assignment)
    hook = StackHook(
        parameters=parameter_names(stack.module),
        site=stack.site,
        masks=masks,
        cross_masks=cross_masks,
        num_heads=stack.num_heads,
        head_dim=stack.head_dim,
        max_length=stack.max_length,
        special_tokens=known,
        first_position=stack.first_position,
        has_relative_bias=stack.has_relative_bias,
        no_stream=why_no_stream(model, stack),
        kernel=kernel,
    )
    yield install(stack.module, hook)
    yield install(stack.module, PoolHook(reads))
    if last is not None:
        yield install(last, ClsOnlyHook(stack.module.config))
    if stack.has_relative_bias:
        for attention in (*stack.self_attention[:1], *stack.cross_attention[:1]):
            yield install(attention, RelativeBiasHook())


def _different(masks: Sequence[Mask]) -> tuple[Mask, ...]:
    return tuple(dict.fromkeys(masks))
