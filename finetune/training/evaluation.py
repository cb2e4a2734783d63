"""Evaluation of a model on a split: every example is scored once, on any number of processes."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, gather_object
from datasets import Dataset
from transformers import PreTrainedModel

from finetune.data import GROUP
from finetune.data.batches import BatchLimits, Indices, shards
from finetune.hardware.memory import free_memory, is_out_of_memory, out_of_memory
from finetune.hardware.sharding import whole_weights
from finetune.metrics import Interval, Scores
from finetune.progress import ProgressBar, say
from finetune.tasks import Batch, EvaluationRecord, Prediction
from finetune.training.evaluation_setup import EvaluationSetup
from finetune.training.slices import SliceScore, slice_scores


@dataclass(frozen=True)
class EvaluationResult:
    """Scores and loss of a split, the same on all processes; `records` are on the main process only."""

    scores: Scores
    loss: float
    records: tuple[EvaluationRecord, ...]

    is_scored: bool = True
    """Whether the split has references; without them there are no scores."""
    loss_interval: Interval | None = None
    """95% confidence interval of the loss, where it was computed and is defined."""

    slices: tuple[SliceScore, ...] = ()
    """Scores of parts of the split, where the recipe asks for them; on the main process only."""

    @property
    def intervals(self) -> dict[str, Interval]:
        """The 95% confidence intervals of those of the values that have one."""
        found = {"loss": self.loss_interval} | self.scores.intervals
        return {name: interval for name, interval in found.items() if interval is not None}

    @property
    def values(self) -> dict[str, float]:
        """The loss (nats per target) and every score by name; empty for a split without references."""
        return {"loss": self.loss} | self.scores.values if self.is_scored else {}


def evaluate(run: EvaluationSetup, model: PreTrainedModel, split: str, *, final: bool = False) -> EvaluationResult:
    """Evaluate a model on a split; called by all processes.

    Args:
        run: The run, or what a trained model is evaluated with; it has the encoded split.
        model: The model without accelerate's wrapping.
        split: `train`, `dev` or `test`.
        final: Whether the task's settings for final results are used, such as the full number of beams, and confidence
            intervals are computed.

    Returns:
        Scores, mean loss per target, and one record per example.

    Raises:
        UserError: Memory does not suffice for a single example.
    """
    mine = _predict(run, model, split, final=final)
    predictions = gather_object(mine) if run.accelerator.num_processes > 1 else mine
    predictions = sorted(predictions, key=lambda prediction: prediction.feature)
    _assert_complete(predictions, len(run.encoded[split].features))
    is_scored = run.task.reference_field in run.examples[split].column_names
    result: list[object] = [None]
    records: list[EvaluationRecord] = []
    slices: tuple[SliceScore, ...] = ()
    if run.accelerator.is_main_process:
        records = run.task.records(run.examples[split], predictions, run.context)
        groups = _groups(run.examples[split]) if final else None
        if groups is not None:
            pairs = zip(records, groups, strict=True)
            records = [replace(record, extra=record.extra | {"group": group}) for record, group in pairs]
        scored = run.task.score(records, run.context, intervals=final, groups=groups) if is_scored else Scores()
        result = [(scored, _loss_interval(predictions, groups) if final and is_scored else None)]
        slices = slice_scores(run, split, records, predictions) if final and is_scored else ()
    broadcast_object_list(result)
    scores, loss_interval = cast(tuple[Scores, Interval | None], result[0])
    targets = sum(prediction.num_targets for prediction in predictions)
    loss = sum(prediction.loss for prediction in predictions) / max(targets, 1)
    return EvaluationResult(scores, loss, tuple(records), is_scored, loss_interval, slices)


def _groups(split: Dataset) -> list[str] | None:
    """Return the group of each example in the order of their records, where the recipe has a column of groups."""
    return list(split[GROUP]) if GROUP in split.column_names else None


def _loss_interval(predictions: Sequence[Prediction], groups: Sequence[str] | None) -> Interval | None:
    """Return the interval of the mean loss per target; None where it is not defined."""
    from finetune.metrics.intervals import quotient_interval  # imports SciPy, which takes half a second

    units = [one.example if groups is None else groups[one.example] for one in predictions]
    return quotient_interval([one.loss for one in predictions], [one.num_targets for one in predictions], units)


def _predict(run: EvaluationSetup, model: PreTrainedModel, split: str, *, final: bool) -> list[Prediction]:
    """Return the predictions for this process's share of a split, in smaller batches where memory requires it."""
    accelerator, encoded = run.accelerator, run.encoded[split]
    limits = BatchLimits(run.recipe.evaluation.batch_size, run.recipe.evaluation.tokens_per_batch)
    batches = shards(encoded.lengths, limits, accelerator.num_processes, accelerator.process_index)
    predictions: list[Prediction] = []
    parts = 1
    was_training = model.training
    model.train(False)
    bar = ProgressBar(f"evaluating {split}", len(batches), enabled=accelerator.is_main_process)
    with (
        bar,
        whole_weights(model),
        run.tuned(),
        torch.inference_mode(),
        accelerator.autocast(),
        closing(run.batches(split, batches)) as collated,
    ):
        for indices, batch in zip(batches, collated, strict=True):
            found = _try(run, model, [batch], final) if parts == 1 else None
            if parts > 1:
                found = _in_parts(run, model, split, indices, parts, final)
            while found is None:
                parts = _doubled(parts, split, len(indices), limits)
                found = _in_parts(run, model, split, indices, parts, final)
            predictions += found
            bar.advance(int(encoded.lengths[indices].sum()))
    model.train(was_training)
    return predictions


def _in_parts(
    run: EvaluationSetup, model: PreTrainedModel, split: str, indices: Indices, parts: int, final: bool
) -> list[Prediction] | None:
    """Return the predictions of a batch computed in `parts` parts, or None where memory does not suffice for a part."""
    with closing(run.batches(split, np.array_split(indices, min(parts, len(indices))))) as batches:
        return _try(run, model, batches, final)


def _try(
    run: EvaluationSetup, model: PreTrainedModel, batches: Iterable[Batch], final: bool
) -> list[Prediction] | None:
    """Return the predictions of some batches, or None where memory does not suffice."""
    try:
        return [found for batch in batches for found in run.task.predict(model, batch, run.context, final=final)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None


def _doubled(parts: int, split: str, examples: int, limits: BatchLimits) -> int:
    """Return twice the number of parts, and free memory.

    Raises:
        UserError: Each part is a single example already.
    """
    free_memory()
    if parts >= examples:
        raise out_of_memory(f"to score {split}, for a single example")
    if parts == 1:
        key = "batch_size" if limits.tokens is None else "tokens_per_batch"
        say(f"out of memory while scoring {split}: batches are computed in parts, as with a smaller evaluation.{key}")
    return 2 * parts


def _assert_complete(predictions: Sequence[Prediction], expected: int) -> None:
    """Raise an AssertionError if a feature has no prediction, or more than one."""
    numbers = [prediction.feature for prediction in predictions]
    if numbers != list(range(expected)):
        raise AssertionError(f"{len(numbers)} predictions, {len(set(numbers))} different, for {expected} features")
