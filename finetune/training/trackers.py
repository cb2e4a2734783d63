"""Trackers: where the entries of metrics.jsonl also go, through accelerate.

TensorBoard writes event files into the run's folder; the others send to the service that they are set up for.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import filter_trackers, get_available_trackers
from accelerate.utils import ProjectConfiguration

from finetune.errors import MissingExtra, UserError
from finetune.progress import warn
from finetune.recipe import Recipe

FOLDER = "trackers"
"""Of the event files, in the run's folder."""
_RUN_NAME = {"mlflow": "run_name", "trackio": "name", "wandb": "name"}
"""Which argument names a run."""


def check_trackers(names: Sequence[str]) -> None:
    """Find out now whether the trackers' packages are installed.

    Raises:
        MissingExtra: One is not.
    """
    installed = {str(name) for name in get_available_trackers()}
    for name in names:
        if name not in installed:
            raise MissingExtra(f"training.trackers=[{name}]", name)


def start_trackers(accelerator: Accelerator, recipe: Recipe, folder: Path) -> None:
    """Begin a run at each tracker, with the recipe as its configuration; called by all processes.

    One that fails later is told of once, and the run goes on without it.

    Args:
        accelerator: Gives what is logged to the trackers, and ends them with `end_training`.
        recipe: Names the trackers; its name is that of the project.
        folder: The run's folder, whose name is that of the run.

    Raises:
        UserError: A tracker does not begin: no account, no answer.
    """
    names = recipe.training.trackers
    if not names:
        return
    accelerator.project_configuration = ProjectConfiguration(str(folder), logging_dir=str(folder / FOLDER))
    accelerator.log_with = filter_trackers(list(names), str(folder / FOLDER))
    arguments = {name: {_RUN_NAME[name]: folder.name} for name in names if name in _RUN_NAME}
    try:
        accelerator.init_trackers(recipe.name or "finetune", flat(recipe.model_dump(mode="json")), arguments)
    except Exception as error:
        raise UserError(
            "a tracker does not begin",
            where="training.trackers",
            found=_in_a_line(error),
            fix="set it up as its manual says (wandb login, MLFLOW_TRACKING_URI=...), or leave it out; metrics.jsonl "
            "holds the same",
        ) from error
    for tracker in accelerator.trackers:
        _tolerate(tracker)


def _tolerate(tracker: Any) -> None:
    """Let a tracker that fails later be told of once, and end no run: its service may be gone for a while."""
    told = False

    def tolerant(method: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any, **options: Any) -> None:
            nonlocal told
            try:
                method(*arguments, **options)
            except Exception as error:
                if not told:
                    warn(f"{tracker.name} misses what metrics.jsonl holds: {_in_a_line(error)}")
                told = True

        return call

    tracker.log, tracker.finish = tolerant(tracker.log), tolerant(tracker.finish)


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, int | float | str | bool]:
    """Values by their dotted keys, in the types that every tracker takes.

    A mapping whose keys are a user's own, such as classes, is one value: mlflow does not take every name.
    """
    values: dict[str, int | float | str | bool] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and all(str(name).isidentifier() for name in value):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[prefix + key] = value if isinstance(value, int | float | str | bool) else str(value)
    return values
