"""The end of a run: the best checkpoint is read back, scored on the test split, and saved as the run's model."""

from dataclasses import asdict
from typing import Any

from datasets import Dataset
from rich.table import Table
from transformers import PreTrainedModel

from finetune import models
from finetune.errors import Interrupted
from finetune.metrics import Scores, baselines
from finetune.recipe import Model
from finetune.tasks import Record
from finetune.training.checkpoint import enough_room, save_model
from finetune.training.evaluation import Evaluated, evaluate
from finetune.training.interrupt import Signals, StopNow
from finetune.training.job import Job, apply_masks
from finetune.training.loop import Loop, show
from finetune.training.progress import results_console, say
from finetune.training.resume import command


def finish(loop: Loop) -> Evaluated:
    """Score the best checkpoint on test and write model, predictions and results into the run folder.

    The scored model is the one read back from disk: what is published is what was measured.

    Raises:
        Interrupted: A signal asked for the end; nothing is lost, as training had been saved.
        UserError: The disk is full.
    """
    job, signals = loop.job, Signals()
    is_main = job.accelerator.is_main_process
    try:
        with job.folder.locked(enabled=is_main), enough_room(job.folder.path), signals.noted(), signals.at_once():
            return _finish(loop)
    except StopNow:
        resume = command(job.folder.path, job.accelerator.num_processes)
        raise Interrupted(signals.received or 0, resume) from None


def _finish(loop: Loop) -> Evaluated:
    job = loop.job
    model = _best_model(loop)
    evaluated = evaluate(job, model, "test", final=True)
    if job.accelerator.is_main_process:
        save_model(model, job.tools.tokenizer, job.folder.model)
        job.folder.write_predictions("test", evaluated.records)
        peers = _baselines(job) if job.recipe.evaluation.baselines else {}
        tested = {f"test_{name}": value for name, value in evaluated.values.items()}
        job.folder.log({"step": loop.state.step} | tested)
        job.accelerator.log(tested, step=loop.state.step)
        job.folder.write_results(_results(loop, evaluated, peers))  # last: a run with results is finished
        _tell(job, evaluated, peers)
    job.accelerator.wait_for_everyone()
    return evaluated


def _best_model(loop: Loop) -> PreTrainedModel:
    job = loop.job
    saved = Model(name=str(loop.best_checkpoint))
    model = models.load_model(
        saved, job.task.head, job.tools.tokenizer, labels=job.tools.labels, seed=job.recipe.seed, is_trained=True
    )
    adapter = job.recipe.adapter
    model = models.merge_adapter(model) if adapter and adapter.merge else model
    apply_masks(model, job.task.program, job.tools.tokenizer)
    model.to(job.accelerator.device)
    return model


def _baselines(job: Job) -> dict[str, Scores]:
    """Scores of simple peers on the same splits, by the same metrics."""
    train, test = job.examples["train"], job.examples["test"]
    peers = {
        "majority class": baselines.majority(list(train["label"]), len(test)),
        "TF-IDF + logistic regression": baselines.tfidf_logistic_regression(
            _texts(train), list(train["label"]), _texts(test), seed=job.recipe.seed
        ),
    }
    return {name: job.task.score(_records(labels, list(test["label"])), job.tools) for name, labels in peers.items()}


def _texts(split: Dataset) -> list[baselines.Text]:
    if "text_pair" not in split.column_names:
        return list(split["text"])
    return list(zip(split["text"], split["text_pair"], strict=True))


def _records(predictions: list[str], references: list[str]) -> list[Record]:
    return [
        Record(number, None, reference, prediction)
        for number, (prediction, reference) in enumerate(zip(predictions, references, strict=True))
    ]


def _results(loop: Loop, evaluated: Evaluated, peers: dict[str, Scores]) -> dict[str, Any]:
    return {
        "recipe": loop.job.recipe.name,
        "best_step": loop.state.best_step,
        "best_metric": {loop.job.best_metric: loop.state.best_value},
        "test": evaluated.values,
        "details": evaluated.scores.details,
        "signatures": evaluated.scores.signatures,
        "baselines": {name: scores.values for name, scores in peers.items()},
        "steps": asdict(loop.state),
    }


def _tell(job: Job, evaluated: Evaluated, peers: dict[str, Scores]) -> None:
    """Print the test results, with the baselines' beside them."""
    results_console.print(f"{job.recipe.name}: test results on {len(job.examples['test']):,} examples", soft_wrap=True)
    table = Table("score")
    for name in (job.recipe.model.description, *peers):
        table.add_column(name, justify="right")
    for name, value in evaluated.values.items():
        others = [scores.values.get(name) for scores in peers.values()]
        table.add_row(name, show(name, value), *("" if other is None else show(name, other) for other in others))
    results_console.print(table)
    for name, signature in evaluated.scores.signatures.items():
        results_console.print(f"{name}: {signature}", soft_wrap=True)
    say(f"model and predictions: {job.folder.path}")
