"""Assigns masks to the attention modules of a model, and installs the hooks that bring the masks there.

`install_hooks` describes the order in which the hooks run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from finetune.attention.masks import Mask
from finetune.attention.masks.base import Needs
from finetune.attention.pretrained.arguments import SpecialTokens, is_encoder_decoder, parameter_names
from finetune.attention.pretrained.cls_only import ClsOnlyHook, last_attention
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.families import AttentionStack
from finetune.attention.pretrained.hooks import CarryHook, SourceHook, StackHook, install
from finetune.attention.pretrained.interface import ASSIGNMENT, MaskAssignment
from finetune.attention.pretrained.streams import (
    EndOfTextHook,
    PoolHook,
    RelativeBiasHook,
    finds_ends,
    read_token,
    why_no_stream,
)
from finetune.attention.program import Program


@dataclass(frozen=True)
class StackMasks:
    """The masks of one stack.

    Args:
        stack: The stack.
        masks: The mask of each layer's self-attention.
        cross_masks: The mask of each layer's attention to the encoder's output; empty where there is none.
    """

    stack: AttentionStack
    masks: tuple[Mask, ...]
    cross_masks: tuple[Mask, ...]

    @classmethod
    def of(cls, stack: AttentionStack, program: Program) -> StackMasks:
        """Return the masks that a program gives the layers of a stack.

        Raises:
            PretrainedError: A mask needs another number of heads, or layers that share their attention have different
                masks.
            ProgramError: The program names a layer that the stack does not have.
        """
        # The architecture's own windows hold in addition to the masks of the program.
        own = stack.own_masks()
        given = program.by_layer(stack.site, stack.num_layers)
        masks = tuple(mask.with_boolean(mask.boolean & window) for mask, window in zip(given, own, strict=True))
        cross_masks = program.by_layer("cross", stack.num_layers) if stack.cross_attention else ()
        name = type(stack.module).__name__
        for mask in (*masks, *cross_masks):
            if stack.num_heads % mask.needs.heads:
                raise PretrainedError(
                    f"the mask {mask} needs a multiple of {mask.needs.heads} heads, {name} has {stack.num_heads}"
                )
        if stack.family.shared and len(set(masks)) > 1:
            raise PretrainedError(
                f"the layers of {name} share one attention and take one mask, but the program has different masks for "
                "them; give the site one mask"
            )
        return cls(stack, masks, cross_masks)

    @property
    def needs(self) -> Needs:
        """What the masks of all layers read."""
        return Needs.together(mask.needs for mask in (*self.masks, *self.cross_masks))


def install_hooks(
    model: PreTrainedModel,
    stacks: Sequence[StackMasks],
    special_tokens: SpecialTokens,
    program: Program,
    kernel: str | None,
) -> tuple[RemovableHandle, ...]:
    """Assign its mask to each attention module, and install the hooks of a model.

    PyTorch calls the pre-hooks of a module in the order of their registration. In one forward the hooks run as follows:

    1. `SourceHook`, a pre-hook of the encoder-decoder, puts the source's `Tokens` in place of `attention_mask`.
    2. `EndOfTextHook`, a pre-hook of T5's text classifier, reads these `Tokens`. It must be registered after the
       `SourceHook` of the same module: before it, the classifier would take a ragged stream for one row.
    3. `StackHook`, a pre-hook of each stack, puts a `MaskRequest` in place of `attention_mask`. A hook that reads
       requests, as `recorded_requests` installs, must be registered after it.
    4. `RelativeBiasHook`, a pre-hook of the first attention of a T5 stack, makes the relative bias of a stream.
    5. `ClsOnlyHook`, a forward hook of the last attention, keeps the states of the [CLS] tokens.
    6. `PoolHook` and `CarryHook`, forward hooks of each stack, change different entries of its output, so that their
       order does not matter.

    Args:
        model: The model of transformers, to whose stacks masks are applied.
        stacks: The masks of each of its stacks.
        special_tokens: Ids of the special tokens that the masks name.
        program: The program that the masks are from.
        kernel: The kernel that computes attention in ragged streams; None leaves the choice to the plan.

    Returns:
        The handles that remove the hooks.
    """
    handles = [handle for masks in stacks for handle in _install_stack(model, masks, special_tokens, kernel)]
    decoders = [masks for masks in stacks if masks.cross_masks]
    decoder_masks = _different([mask for decoder in decoders for mask in decoder.masks])
    cross_masks = _different([mask for decoder in decoders for mask in decoder.cross_masks])
    # Under the standard masks padding in the target has no influence, and the stock model does not know it either.
    standard = program.is_standard_at("decoder") and program.is_standard_at("cross")
    # A model with a head and the model inside of it are both encoder-decoders, and either can be called.
    pairs = [part for part in model.modules() if isinstance(part, PreTrainedModel) and is_encoder_decoder(part)]
    for part in pairs:
        hook = SourceHook(parameter_names(part), decoder_masks, cross_masks, special_tokens, infer_padding=not standard)
        handles.append(install(part, hook))
    if finds_ends(model):
        handles.append(install(model, EndOfTextHook(parameter_names(model))))
    needs = Needs.together(mask.needs for mask in (*decoder_masks, *cross_masks))
    if pairs and (needs.columns or needs.values):
        carry = CarryHook(needs.columns, needs.values)
        handles += [install(masks.stack.module, carry) for masks in stacks if masks.stack.site == "encoder"]
    return tuple(handles)


def _install_stack(
    model: PreTrainedModel, masks: StackMasks, special_tokens: SpecialTokens, kernel: str | None
) -> Iterator[RemovableHandle]:
    stack = masks.stack
    reads = read_token(model, stack.module)
    last = last_attention(stack, reads)
    _assign_masks(masks, cls_only=set() if last is None else set(last.modules()))
    hook = StackHook(
        parameters=parameter_names(stack.module),
        site=stack.site,
        masks=_different(masks.masks),
        cross_masks=_different(masks.cross_masks),
        num_heads=stack.num_heads,
        head_dim=stack.head_dim,
        max_length=stack.max_length,
        special_tokens=special_tokens,
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
        # The first layer makes the bias, and transformers passes it on to the others.
        for attention in (*stack.self_attention[:1], *stack.cross_attention[:1]):
            yield install(attention, RelativeBiasHook())


def _assign_masks(masks: StackMasks, cls_only: set[nn.Module]) -> None:
    """Set the `MaskAssignment` of each attention module of a stack.

    Args:
        masks: The masks of the stack.
        cls_only: The modules of which only the first token's output is read.
    """
    stack, numbers, cross_numbers = masks.stack, _numbers(masks.masks), _numbers(masks.cross_masks)
    # The layers are visited from the last to the first: layers that share one module leave it the assignment of the
    # first of them.
    for layer, attention in reversed(list(enumerate(stack.self_attention))):
        assignment = MaskAssignment(stack.site, layer, numbers[layer], attention in cls_only)
        setattr(attention, ASSIGNMENT, assignment)
    for layer, attention in enumerate(stack.cross_attention):
        setattr(attention, ASSIGNMENT, MaskAssignment("cross", layer, cross_numbers[layer]))


def _numbers(masks: Sequence[Mask]) -> list[int]:
    """Return the index of each layer's mask in `_different(masks)`."""
    different = _different(masks)
    return [different.index(mask) for mask in masks]


def _different(masks: Sequence[Mask]) -> tuple[Mask, ...]:
    """Return each mask once, in the order of first occurrence."""
    return tuple(dict.fromkeys(masks))
