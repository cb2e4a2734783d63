"""Warnings of runs with few optimizer steps, and of dev and test splits with few rows."""

import math
from collections.abc import Iterator, Mapping

from finetune.data.messages import plural
from finetune.errors import UserError
from finetune.hardware.memory import batch_key
from finetune.recipe import Recipe

_FEW_STEPS = 100
"""The number of steps below which most models have changed little from their initial weights."""
_FEW_ROWS = 50
"""The number of rows below which a single row changes the accuracy by more than two points."""


def few_steps(steps_per_epoch: int, total_steps: int, recipe: Recipe) -> Iterator[UserError]:
    """Yield a warning where a run has few optimizer steps.

    Args:
        steps_per_epoch: The number of optimizer steps in one pass over the train split.
        total_steps: The number of optimizer steps of the run.
        recipe: The recipe of the run.
    """
    if total_steps >= _FEW_STEPS:
        return
    training = recipe.training
    batch, size = batch_key(training)
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
    """Yield a warning where the dev or the test split has few rows.

    Args:
        rows: The number of rows of each split.
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
