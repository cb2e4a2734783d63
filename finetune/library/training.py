"""`train`: from a recipe and data, in whatever form a program has them, to a finished run."""

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
from finetune.recipe.data import DataSource
from finetune.training.callbacks import Callback

_ORIGIN = {
    "data.function": None,
    "data.dev_path": None,
    "data.test_path": None,
    "data.format": None,
    "data.column_names": None,
    "data.name": None,
    "data.config": None,
    "data.sample": None,
    "data.sources": (),
}
"""The keys that say where a recipe's own data come from, and their values where they come from memory."""


def train(
    recipe: RecipeLike = None,
    overrides: Overrides = None,
    *,
    data: InMemory | None = None,
    callbacks: Sequence[Callback] = (),
) -> FinishedRun:
    """Fine-tune a model, score it on test, and save it, as `finetune run` does.

        run = finetune.train("sst2", {"training.epochs": 1})
        run = finetune.train("sst2", ["data.path=my.csv", "data.columns.text=review"])
        run = finetune.train("sentiment_sample", data=frame, callbacks=[MyCallback()])
        run = finetune.train(overrides={"resume": "runs/sst2/2026-01-31_12-00-00"})

    Notes on the run are told by `logging`, see `finetune.log`; where the program has not set up logging they are shown
    on standard error. A run that was stopped goes on with the override `resume`, as on the command line.

    Data in memory are written to parquet files beside the runs, in a folder named by a hash of their content, and the
    run's recipe says `data.path=` that folder. So the run can be repeated from its recipe, and `resume="auto"` with the
    same data goes on with it. Callbacks cannot be written down: pass them again when a run goes on. The run's
    environment.json names them.

    Args:
        recipe: A recipe's name, the path of a .py or .yaml file or of a run's folder, a `finetune.Recipe`, or its
            sections as a dictionary. None means the recipe of the run that `resume` names.
        overrides: Other values of its keys: `{"training.epochs": 1}`, `{"training": {"epochs": 1}}`, or
            `["training.epochs=1"]`.
        data: Rows in place of the recipe's data: a DataFrame (or pyarrow.Table), a datasets.Dataset, or a list of
            dictionaries, from which dev and test are cut; or a dictionary of these by split, such as a DatasetDict.
            Columns are named by `data.columns.<name>`, as those of files.
        callbacks: Code that the run calls, see `finetune.Callback`.

    Returns:
        The finished run: its scores, predictions, model and folder.

    Raises:
        UserError: Something in the recipe, the overrides, the data or the callbacks is wrong.
        Interrupted: SIGTERM or Ctrl-C ended the run; a checkpoint is saved, and the run can go on.
    """
    with log.shown():
        resolved = _resolve(recipe, overrides, data)
        try:
            return train_recipe(resolved, callbacks)
        except Interrupted as interrupted:
            interrupted.add_note('in Python: finetune.train(overrides={"resume": ...}) with that folder')
            raise


def _resolve(recipe: RecipeLike, overrides: Overrides, data: InMemory | None) -> Recipe:
    """The recipe with its overrides, and with the data in memory kept as files.

    Raises:
        UserError: Something in them is wrong.
    """
    changes = flatten(overrides)
    if data is None:
        return compose.override(base_recipe(recipe, changes), changes)
    if twice := [key for key in changes if key == "data.path" or key in _ORIGIN]:
        raise UserError(
            f"data and {twice[0]} are both given", where=f"overrides, {twice[0]}", fix="give one of them alone"
        )
    base = base_recipe(_with_some_data(recipe), changes)
    # All keys are checked before anything is written.
    resolved = compose.override(base, {**_ORIGIN, **changes, "data.path": "data in memory"})
    folder, sizes = keep_data(data, runs_of(resolved))
    told = ", ".join(f"{size:,} {split}" for split, size in sizes.items())
    say(f"data in memory ({told}) are kept in {folder}, from where the run can be repeated and resumed")
    return compose.override(resolved, {"data.path": str(folder)})


def _with_some_data(recipe: RecipeLike) -> RecipeLike:
    """A recipe of nested keys need not name data where they are given; others have some."""
    if not isinstance(recipe, Mapping):
        return recipe
    data: Any = recipe.get("data", {})
    given = isinstance(data, Mapping) and not any(data.get(name) for name in (*DataSource.model_fields, "sources"))
    return {**recipe, "data": {**data, "path": "data in memory"}} if given else recipe


def train_recipe(recipe: Recipe, callbacks: Sequence[Callback] = (), *, prints_scores: bool = False) -> FinishedRun:
    """Train and evaluate by a recipe; everything is left in the run folder.

    A run that goes on and was ended after its evaluation is only published.

    Args:
        recipe: The run.
        callbacks: Code that the run calls.
        prints_scores: Whether the test scores are printed as a table on standard output, or told in a line of the log.

    Raises:
        UserError: Something in the recipe or the data is wrong.
        Interrupted: SIGTERM or Ctrl-C ended the run; it can go on.
    """
    start = training.find_start(recipe)
    try:
        if start.folder is not None and start.is_finished:
            hub.publish_finished(start)
            return open_run(start.folder.path)
        run = training.prepare(recipe, callbacks, start)
        hub.get_ready(run)
        try:
            training.finish_run(training.fit(run), prints_scores=prints_scores)
        except Interrupted:
            run.accelerator.end_training()
            raise
        run.accelerator.end_training()
        hub.publish(run)
        return open_run(run.folder.path)
    finally:
        start.lock.release()
