"""The end of a run: the best checkpoint is loaded, evaluated on the test split, and saved as the run's model."""

from dataclasses import asdict
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel

from finetune import models
from finetune.checkpointing.checkpoint import enough_room, save_model
from finetune.checkpointing.links import link_weights
from finetune.checkpointing.resume import command, saying_how_to_resume
from finetune.errors import Interrupted
from finetune.metrics import Scores, baselines
from finetune.progress import say, warn
from finetune.recipe import Model
from finetune.tasks import EvaluationRecord
from finetune.training.evaluation import EvaluationResult, evaluate
from finetune.training.interrupt import Signals, StopNow
from finetune.training.loop import Loop
from finetune.training.masks import apply_masks
from finetune.training.run import Run
from finetune.training.score_table import facts_of_scores, print_scores, print_slices, scores_in_line
from finetune.training.split_figures import padding_figures, split_figures
from finetune.training.trivial import find_trivial


def finish_run(loop: Loop, *, prints_scores: bool = True) -> EvaluationResult:
    """Evaluate the best checkpoint on test, and write model, predictions and results into the run folder.

    The model that is evaluated is loaded from the disk, so that the published model is the one that was measured.

    Args:
        loop: The loop at the end of training.
        prints_scores: Whether the scores are printed as a table on standard output. Otherwise they are one line of the
            log.

    Returns:
        The scores and records of the test split.

    Raises:
        Interrupted: The process received a signal to end; nothing is lost, as the training is saved.
        UserError: The disk is full.
    """
    run, signals = loop.run, Signals()
    try:
        how_to_resume = saying_how_to_resume(run.recipe, run.folder, run.accelerator.num_processes)
        with (
            run.lock.released_on_error(),
            how_to_resume,
            enough_room(run.folder.path),
            signals.noted(),
            signals.at_once(),
        ):
            return _finish(loop, prints_scores=prints_scores)
    except StopNow:
        resume = command(run.recipe, run.folder.path, run.accelerator.num_processes)
        raise Interrupted(signals.received or 0, resume) from None


def _finish(loop: Loop, *, prints_scores: bool) -> EvaluationResult:
    run = loop.run
    model = _best_model(loop)
    evaluated = evaluate(run, model, "test", final=True)
    if run.accelerator.is_main_process:
        save_model(model, run.context.tokenizer, run.folder.model)
        link_weights(run.folder.model, loop.best_checkpoint)
        run.folder.write_predictions("test", evaluated.records)
        baseline_scores = _baselines(run) if run.recipe.evaluation.baselines and evaluated.is_scored else {}
        tested = {f"test_{name}": value for name, value in evaluated.values.items()}
        run.folder.log({"step": loop.state.step} | tested)
        run.accelerator.log(tested, step=loop.state.step)
        run.folder.write_results(_results(loop, evaluated, baseline_scores))  # last: a run with results is finished
        if not evaluated.is_scored:
            count = len(evaluated.records)
            say(f"the test split has no labels: its {count:,} predictions are written without scores")
        elif prints_scores:
            print_scores(_title(run), run.recipe.model.description, evaluated, baseline_scores)
            print_slices(evaluated, run.greater_is_better)
        else:
            say(f"{_title(run)}: {'  '.join(scores_in_line(evaluated))}")
        if warning := find_trivial(run.task, run.examples["train"], evaluated.records, loop.state.step):
            warn(str(warning))
        say(f"model and predictions: {run.folder.path}")
    run.accelerator.wait_for_everyone()
    return evaluated


def _best_model(loop: Loop) -> PreTrainedModel:
    """Return the model of the best checkpoint, with its adapter merged if the recipe says so, under its masks."""
    run = loop.run
    saved = Model(name=str(loop.best_checkpoint))
    model = models.load_model(
        saved, run.task.head, run.context.tokenizer, labels=run.context.labels, seed=run.recipe.seed, is_trained=True
    )
    adapter = run.recipe.adapter
    model = models.merge_adapter(model) if adapter and adapter.merge else model
    apply_masks(model, run.task.program, run.context.tokenizer)
    model.to(run.accelerator.device)
    return model


def _baselines(run: Run) -> dict[str, Scores]:
    """Return the scores of simple baselines on the same splits, by the same metrics."""
    train, test = run.examples["train"], run.examples["test"]
    baseline_scores = {
        "majority class": baselines.majority(list(train["label"]), len(test)),
        "TF-IDF + logistic regression": baselines.tfidf_logistic_regression(
            _texts(train), list(train["label"]), _texts(test), seed=run.recipe.seed
        ),
    }
    return {
        name: run.task.score(_records(labels, list(test["label"])), run.context)
        for name, labels in baseline_scores.items()
    }


def _texts(split: Dataset) -> list[baselines.Text]:
    if "text_pair" not in split.column_names:
        return list(split["text"])
    return list(zip(split["text"], split["text_pair"], strict=True))


def _records(predictions: list[str], references: list[str]) -> list[EvaluationRecord]:
    return [
        EvaluationRecord(number, None, reference, prediction)
        for number, (prediction, reference) in enumerate(zip(predictions, references, strict=True))
    ]


def _results(loop: Loop, evaluated: EvaluationResult, baseline_scores: dict[str, Scores]) -> dict[str, Any]:
    run = loop.run
    program = run.recipe.attention.program
    return {
        "recipe": run.recipe.name,
        "changed": run.changes.to_json(),
        "masks": "standard" if program.is_standard else program.to_config(),
        "seed": run.recipe.seed,
        "data": run.recipe.data.description,
        "splits": split_figures(run),
        "padding": padding_figures(run),
        "best_step": loop.state.best_step,
        "best_metric": {run.best_metric: loop.state.best_value},
        "test": evaluated.values,
        **facts_of_scores(evaluated),
        "baselines": {name: scores.values for name, scores in baseline_scores.items()},
        "steps": asdict(loop.state),
    }


def _title(run: Run) -> str:
    return f"{run.recipe.name}: test results on {len(run.examples['test']):,} examples"
