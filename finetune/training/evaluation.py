"""Scoring a model on a split: every example once, on any number of processes."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from accelerate.utils import broadcast_object_list, gather_object
from transformers import PreTrainedModel

from finetune.data.batches import Limits, shards
from finetune.metrics import Scores
from finetune.tasks import Prediction, Record
from finetune.training.job import Job
from finetune.training.progress import Bar


@dataclass(frozen=True)
class Evaluated:
    """Scores of a split, the same on all processes; records on the main process only."""

    scores: Scores
    loss: float
    records: tuple[Record, ...]

    @property
    def values(self) -> dict[str, float]:
        """The loss (nats a target) and every score, by name."""
        return {"loss": self.loss} | self.scores.values


def evaluate(job: Job, model: PreTrainedModel, split: str, *, final: bool = False) -> Evaluated:
    """Score `model` on a split.

    Args:
        job: The run.
        model: The model without accelerate's wrapping.
        split: train, dev or test.
        final: Whether the task's settings for final results hold, such as the full beam.
    """
    mine = _predict(job, model, split, final=final)
    predictions = gather_object(mine) if job.accelerator.num_processes > 1 else mine
    predictions = sorted(predictions, key=lambda prediction: prediction.feature)
    _assert_complete(predictions, len(job.encoded[split].features))
    result: list[object] = [None]
    records: list[Record] = []
    if job.accelerator.is_main_process:
        records = job.task.records(job.examples[split], predictions, job.tools)
        result = [job.task.score(records, job.tools)]
    broadcast_object_list(result)
    scores = result[0]
    assert isinstance(scores, Scores)
    targets = sum(prediction.num_targets for prediction in predictions)
    loss = sum(prediction.loss for prediction in predictions) / max(targets, 1)
    return Evaluated(scores, loss, tuple(records))


def _predict(job: Job, model: PreTrainedModel, split: str, *, final: bool) -> list[Prediction]:
    accelerator, encoded = job.accelerator, job.encoded[split]
    limits = Limits(job.recipe.evaluation.batch_size, job.recipe.evaluation.tokens_per_batch)
    batches = shards(encoded.lengths, limits, accelerator.num_processes, accelerator.process_index)
    predictions: list[Prediction] = []
    was_training = model.training
    model.train(False)
    bar = Bar(f"evaluating {split}", len(batches), enabled=accelerator.is_main_process)
    with (
        bar,
        job.matmul.used(),
        torch.inference_mode(),
        accelerator.autocast(),
        closing(job.batches(split, batches)) as collated,
    ):
        for indices, batch in zip(batches, collated, strict=True):
            predictions += job.task.predict(model, batch, job.tools, final=final)
            bar.advance(int(encoded.lengths[indices].sum()))
    model.train(was_training)
    return predictions


def _assert_complete(predictions: Sequence[Prediction], expected: int) -> None:
    """Refuse to score a split of which an example is missing or counted twice."""
    numbers = [prediction.feature for prediction in predictions]
    if numbers != list(range(expected)):
        raise AssertionError(f"{len(numbers)} predictions, {len(set(numbers))} different, for {expected} features")
