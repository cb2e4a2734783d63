"""Whether a run has enough to learn from and to be scored on: steps of the optimizer, and rows of dev and test."""

import math
from collections.abc import Iterator, Mapping

from finetune.data.messages import plural
from finetune.errors import UserError
from finetune.recipe import Recipe

_FEW_STEPS = 100
"""Steps of a run below which most models have hardly moved from where they started."""
_FEW_ROWS = 50
"""Rows of a split below which one row changes an accuracy by more than two points."""


def few_steps(steps_per_epoch: int, total_steps: int, recipe: Recipe) -> Iterator[UserError]:
    """A warning of a run of few steps.

    Args:
        steps_per_epoch: Steps of the optimizer in a pass over the train split.
        total_steps: Those of the run.
        recipe: Of the run.
    """
    if total_steps >= _FEW_STEPS:
        return
    training = recipe.training
    batch = "tokens_per_batch" if training.tokens_per_batch else "batch_size"
    size = training.tokens_per_batch or training.batch_size
    longer = (
        f"training.steps={_FEW_STEPS}" if training.steps else f"training.epochs={_FEW_STEPS // steps_per_epoch + 1}"
    )
    smaller = f", or training.{batch}={max(size // 4, 1)} (it is {size})" if size > 1 else ""
    yield UserError(
        f"an epoch has only {plural(steps_per_epoch, 'step')} of the optimizer, and the run {total_steps:,}",
        where=f"training.epochs={training.epochs}" if training.steps is None else f"training.steps={training.steps}",
        fix=f"{longer} trains longer{smaller}",
    )


def few_rows(rows: Mapping[str, int]) -> Iterator[UserError]:
    """A warning of splits that are scored and have few rows.

    Args:
        rows: How many rows each split has.
    """
    few = {split: rows[split] for split in ("dev", "test") if 0 < rows.get(split, 0) < _FEW_ROWS}
    if not few:
        return
    counted = " and ".join(f"{split} has only {plural(number, 'row')}" for split, number in few.items())
    effect = ", ".join(f"{100 / number:.1f} points of {split}" for split, number in few.items())
    share = min(math.ceil(100 * _FEW_ROWS / sum(rows.values())) / 100, 0.3)
    shares = " ".join(f"data.{split}_share={share:g}" for split in few)
    yield UserError(
        f"{counted}: scores on so few say little",
        found=f"one row is {effect} accuracy",
        fix=f"{shares} where they are cut from train; otherwise files or splits with more rows",
    )
