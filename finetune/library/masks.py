"""`apply_masks`, which puts masks in any form into a model of transformers."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypeVar

from torch import nn
from transformers import PreTrainedTokenizerBase

from finetune.attention import Mask, MaskError, Program, ProgramError, Site, pretrained
from finetune.attention.pretrained import PretrainedError
from finetune.attention.program import SITES, SiteName
from finetune.errors import UserError, nearest
from finetune.recipe import Attention

ModelT = TypeVar("ModelT", bound=nn.Module)

_IN_CONFIGS = ("bos", "eos", "pad", "cls", "sep")
"""Special tokens whose ids a model's configuration may have."""

Masks: TypeAlias = str | Mask | Program | Attention | Mapping[str, Any]
"""One mask for the encoder, as text or as an object; or masks by site, as in the `attention` section of a recipe."""


def apply_masks(
    model: ModelT,
    masks: Masks,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    kernel: Literal["whole", "blocks", "flex"] | None = None,
) -> ModelT:
    """Replace the attention masks of a model of transformers; padding stays excluded.

        model = AutoModelForSequenceClassification.from_pretrained("google-bert/bert-base-uncased")
        finetune.apply_masks(model, "window(64) | global_tokens(cls)", tokenizer=tokenizer)
        finetune.apply_masks(t5, {"encoder": "window(64)", "cross": {"mask": "full()", "layers": {"0": "window(8)"}}})

    Weights and the keys of state_dict do not change, and save_pretrained writes the masks into the configuration. See
    `finetune.attention.pretrained.apply_masks`, which this function calls, for the inputs of the model that masks read.

    Args:
        model: The model; it may be wrapped (PEFT, DistributedDataParallel).
        masks: A mask for the encoder, or masks by site: `{"encoder": ..., "decoder": ..., "cross": ...}`, each a mask
            or `{"mask": ..., "layers": {"0-3": ...}}`.
        tokenizer: The tokenizer of the model, which has the ids of the special tokens that masks name.
        kernel: The way in which attention is computed in ragged streams; None lets the planner choose.

    Returns:
        The same model.

    Raises:
        UserError: The masks cannot be read, or the model does not support them.
    """
    if not isinstance(model, nn.Module):
        raise UserError(
            "apply_masks takes a model",
            expected="a model of transformers, such as AutoModel.from_pretrained(...) returns",
            found=f"{model!r:.80}",
        )
    program = read_masks(masks)
    special_tokens = {} if tokenizer is None else pretrained.special_token_ids(tokenizer)
    _check_special_tokens(model, program, None if tokenizer is None else tuple(special_tokens))
    try:
        pretrained.check_sites(model, named_sites(masks))
        return pretrained.apply_masks(model, program, special_tokens=special_tokens, kernel=kernel)
    except (PretrainedError, ProgramError, MaskError) as error:
        raise UserError(f"the model does not support the masks: {error}", where="masks") from error


def _check_special_tokens(model: nn.Module, program: Program, of_tokenizer: tuple[str, ...] | None) -> None:
    """Check that the ids of all special tokens in the masks are known; the first batch would fail without them.

    Raises:
        UserError: The id of a special token is not known.
    """
    config = getattr(getattr(model, "module", model), "config", None)  # of a wrapped model, that of the inner one
    known = of_tokenizer
    if known is None:
        known = tuple(name for name in _IN_CONFIGS if getattr(config, f"{name}_token_id", None) is not None)
    asked = sorted(name.removeprefix("is_") for name in program.needs.columns if name.startswith("is_"))
    unknown = next((name for name in asked if name not in known), None)
    if unknown is None:
        return
    near, owner = nearest(unknown, known), "model's configuration" if of_tokenizer is None else "tokenizer"
    raise UserError(
        f"a mask names the special token {unknown!r}, which the {owner} does not have",
        where="masks",
        expected=", ".join(sorted(known)) or "a mask without special tokens",
        fix="tokenizer=..., which has them all" if of_tokenizer is None else f"did you mean {near}?" if near else None,
    )


def read_masks(masks: Masks) -> Program:
    """Return masks in any form as a program.

    Raises:
        UserError: The masks cannot be read.
    """
    if isinstance(masks, Program):
        return masks
    if isinstance(masks, Attention):
        return masks.program
    if not isinstance(masks, str | Mask | Mapping):
        raise UserError(
            "the masks cannot be read",
            where="masks",
            expected='"window(64) | global_tokens(cls)", a mask, or masks by site: {"encoder": ..., "cross": ...}',
            found=f"{type(masks).__name__}: {masks!r:.80}",
        )
    try:
        if isinstance(masks, Mapping):
            return Program.from_config(masks)
        return Program(encoder=Site.from_config(masks, "mask"))
    except (ProgramError, MaskError) as error:
        raise UserError(f"the masks cannot be read: {error}", where="masks") from error


def named_sites(masks: Masks) -> tuple[SiteName, ...]:
    """Return the sites that the masks name, those with standard masks included; none for a program, which has all."""
    if isinstance(masks, Attention):
        return masks.named_sites
    if isinstance(masks, Mapping):
        return tuple(name for name in SITES if masks.get(name) is not None)
    return () if isinstance(masks, Program) else ("encoder",)
