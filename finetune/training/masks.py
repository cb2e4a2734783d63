"""The attention masks of a run: put into the model, followed through its layers, and tried before training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import models
from finetune.attention import Program, pretrained
from finetune.errors import UserError, nearest
from finetune.recipe import Attention
from finetune.tasks.visibility import View, choose_examples, refuse_label_leak, view_examples

if TYPE_CHECKING:
    from finetune.training.run import Run


def check_sites(model: PreTrainedModel, attention: Attention) -> None:
    """Check that the model has every site that the recipe names.

    Raises:
        UserError: The recipe has a mask for a site that the model does not have, where it would have no effect.
    """
    if not attention.named_sites:
        return
    try:
        pretrained.check_sites(model, attention.named_sites)
    except pretrained.PretrainedError as error:
        raise _unsupported(error) from error


def apply_masks(
    model: PreTrainedModel, program: Program, tokenizer: PreTrainedTokenizerBase, kernel: str | None = None
) -> None:
    """Put the masks of a recipe into the model.

    Args:
        model: The model; it is changed in place.
        program: The masks by site and layer.
        tokenizer: The tokenizer, which has the ids of the special tokens that masks name.
        kernel: Name of the kernel that computes attention; None lets the planner choose.

    Raises:
        UserError: A mask names a special token that the tokenizer does not have, or the model does not support the
            masks.
    """
    if program.is_standard and models.learns_prefix(model):
        return  # only the attention of transformers accepts the keys and values of prefix tuning
    special_tokens = pretrained.special_token_ids(tokenizer)
    asked = {name.removeprefix("is_") for name in program.needs.columns if name.startswith("is_")}
    if unknown := sorted(asked - special_tokens.keys()):
        near = nearest(unknown[0], special_tokens)
        raise UserError(
            f"a mask names the special token {unknown[0]!r}, which the tokenizer does not have",
            where="attention",
            expected=", ".join(sorted(special_tokens)),
            fix=f"did you mean {near}?" if near else None,
        )
    try:
        pretrained.apply_masks(model, program, special_tokens=special_tokens, kernel=kernel)
    except ValueError as error:
        if not program.is_standard:  # otherwise the stock model's own masks are the same
            raise _unsupported(error) from error


def _unsupported(error: ValueError) -> UserError:
    return UserError(f"the model does not support the recipe's masks: {error}", where="attention")


def follow_masks(run: Run) -> tuple[View, ...]:
    """Follow the masks through all layers, in a few train examples.

    Returns:
        What each output of the model can depend on, by example; empty for a recipe with the standard masks.

    Raises:
        UserError: The model cannot compute under the masks, or its decoder can attend to the labels that it is to
            predict.
    """
    encoded = run.encoded["train"]
    chosen = choose_examples(encoded.lengths, encoded.features)
    if run.task.program.is_standard or not len(chosen):
        return ()
    (batch,) = run.batches("train", [chosen])
    run.model.to(run.accelerator.device)
    with _under_masks():
        views = view_examples(run.task, run.context, run.model, batch)
    if run.task.writes_text:
        refuse_label_leak(views, run.task.program)
    return views


def rehearse(run: Run) -> None:
    """Compute and predict one small batch under the masks of a recipe, as some errors show up only then.

    Nothing is computed for a recipe with the standard masks and no kernel chosen by name.

    Raises:
        UserError: The model cannot compute the loss or generate under the masks.
    """
    if run.task.program.is_standard and run.recipe.attention.kernel is None:
        return
    (batch,) = run.batches("dev", [np.arange(min(2, len(run.encoded["dev"].features)))])
    run.model.to(run.accelerator.device)
    with _under_masks(), torch.inference_mode():
        run.task.loss(run.model, batch, 0.0)
        run.task.predict(run.model, batch, run.context, final=False)


@contextmanager
def _under_masks() -> Iterator[None]:
    """Raise a UserError in place of a ValueError that the model raises under the recipe's masks."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"the model cannot compute under the recipe's masks: {error}", where="attention") from error
