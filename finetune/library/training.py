"""`train`, which takes a recipe and data in any form and returns a finished run."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from finetune import compose, hub, log, training
from finetune.checkpointing.run_folder import runs_of
from finetune.errors import Interrupted, UserError
from finetune.library.finished import FinishedRun, open_run
from finetune.library.in_memory import InMemory, keep_data
from finetune.library.overrides import Overrides, RecipeLike, base_recipe, flatten
from finetune.progress import say
from finetune.recipe import Recipe
from finetune.recipe.data import NO_ORIGIN, DataSource
from finetune.report.page import write_report
from finetune.training.callbacks import Callback


def train(
    recipe: RecipeLike = None,
    overrides: Overrides = None,
    *,
    data: InMemory | None = None,
    callbacks: Sequence[Callback] = (),
) -> FinishedRun:
    """Fine-tune a model, evaluate it on test, and save it, as `finetune run` does.

        run = finetune.train("sst2", {"training.epochs": 1})
        run = finetune.train("sst2", ["data.path=my.csv", "data.columns.text=review"])
        run = finetune.train("sentiment_sample", data=frame, callbacks=[MyCallback()])
        run = finetune.train(overrides={"resume": "runs/sst2/2026-01-31_12-00-00"})

    Notes on the run are logged by `logging`, see `finetune.log`; if the program has not set up logging, they are shown
    on standard error. A run that was interrupted is resumed by the override `resume`, as on the command line.

    Data in memory is written to parquet files beside the runs, so that the run can be repeated from its recipe, and
    `resume="auto"` with the same data resumes it. Callbacks cannot be saved: pass them again to resume.

    Args:
        recipe: A recipe's name, the path of a .py or .yaml file or of a run's folder, a `finetune.Recipe`, or its
            sections as a dictionary. None means the recipe of the run that `resume` names.
        overrides: Values of keys of the recipe: `{"training.epochs": 1}`, `{"training": {"epochs": 1}}`, or
            `["training.epochs=1"]`.
        data: Rows in place of the recipe's data: a DataFrame (or pyarrow.Table), a datasets.Dataset, or a list of
            dictionaries, from which dev and test are cut; or a dictionary of these by split, such as a DatasetDict.
            Columns are named by `data.columns.<name>`, as those of files.
        callbacks: Callbacks of the run, see `finetune.Callback`.

    Returns:
        The finished run: its scores, predictions, model and folder.

    Raises:
        UserError: Something in the recipe, the overrides, the data or the callbacks is wrong.
        Interrupted: SIGTERM or Ctrl-C ended the run; a checkpoint is saved, and the run can be resumed.
    """
    with log.shown():
        resolved = _resolve(recipe, overrides, data)
        try:
            return train_recipe(resolved, callbacks)
        except Interrupted as interrupted:
            interrupted.add_note('in Python: finetune.train(overrides={"resume": ...}) with that folder')
            raise


def _resolve(recipe: RecipeLike, overrides: Overrides, data: InMemory | None) -> Recipe:
    """Return the recipe with its overrides, and write data in memory to files.

    Raises:
        UserError: Something in the recipe, the overrides or the data is wrong.
    """
    changes = flatten(overrides)
    if data is None:
        return compose.override(base_recipe(recipe, changes), changes)
    if twice := [key for key in changes if key == "data.path" or key in NO_ORIGIN]:
        raise UserError(
            f"data and {twice[0]} are both given", where=f"overrides, {twice[0]}", fix="give one of them alone"
        )
    base = base_recipe(_with_some_data(recipe), changes)
    # All keys are checked before anything is written.
    resolved = compose.override(base, {**NO_ORIGIN, **changes, "data.path": "data in memory"})
    folder, sizes = keep_data(data, runs_of(resolved))
    described = ", ".join(f"{size:,} {split}" for split, size in sizes.items())
    say(f"data in memory ({described}) is written to {folder}, so that the run can be repeated and resumed")
    return compose.override(resolved, {"data.path": str(folder)})


def _with_some_data(recipe: RecipeLike) -> RecipeLike:
    """Return a recipe of nested keys with a placeholder for data, which it may lack if data is given."""
    if not isinstance(recipe, Mapping):
        return recipe
    data: Any = recipe.get("data", {})
    given = isinstance(data, Mapping) and not any(data.get(name) for name in (*DataSource.model_fields, "sources"))
    return {**recipe, "data": {**data, "path": "data in memory"}} if given else recipe


def train_recipe(recipe: Recipe, callbacks: Sequence[Callback] = (), *, prints_scores: bool = False) -> FinishedRun:
    """Train and evaluate as a recipe says, and write everything into the run folder.

    If the run to resume ended after its evaluation, it is only published.

    Args:
        recipe: The recipe.
        callbacks: Callbacks of the run.
        prints_scores: Whether the test scores are printed as a table on standard output. Otherwise they are one line of
            the log.

    Raises:
        UserError: Something in the recipe or the data is wrong.
        Interrupted: SIGTERM or Ctrl-C ended the run; it can be resumed.
    """
    start = training.find_start(recipe)
    try:
        if start.folder is not None and start.is_finished:
            hub.publish_finished(start)
            if os.environ.get("RANK", "0") == "0":  # the processes have ended their group
                write_report(start.folder.path)
            return open_run(start.folder.path)
        run = training.prepare(recipe, callbacks, start)
        hub.get_ready(run)
        try:
            training.finish_run(training.fit(run), prints_scores=prints_scores)
        except Interrupted:
            run.accelerator.end_training()
            raise
        run.accelerator.end_training()
        if run.accelerator.is_main_process:
            write_report(run.folder.path)  # before the push, which can fail
        hub.publish(run)
        return open_run(run.folder.path)
    finally:
        start.lock.release()
