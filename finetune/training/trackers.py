"""Experiment trackers, to which accelerate sends the entries of metrics.jsonl.

TensorBoard writes event files into the run folder. The others send to the service for which they are set up.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import filter_trackers, get_available_trackers
from accelerate.utils import ProjectConfiguration

from finetune.dotted_keys import flatten
from finetune.errors import MissingExtra, UserError
from finetune.progress import warn
from finetune.recipe import Recipe

FOLDER = "trackers"
"""Name of the folder for event files, in the run folder."""
_RUN_NAME = {"mlflow": "run_name", "trackio": "name", "wandb": "name"}
"""Name of the argument of each tracker that takes the name of the run."""


def check_trackers(names: Sequence[str]) -> None:
    """Check that the packages of the trackers are installed.

    Raises:
        MissingExtra: One of them is not installed.
    """
    installed = {str(name) for name in get_available_trackers()}
    for name in names:
        if name not in installed:
            raise MissingExtra(f"training.trackers=[{name}]", name)


def start_trackers(accelerator: Accelerator, recipe: Recipe, folder: Path) -> None:
    """Start a run at each tracker, with the recipe as its configuration; called by all processes.

    If a tracker fails later, one warning is shown and the training continues without it.

    Args:
        accelerator: The accelerator, which sends what is logged to the trackers and ends them in `end_training`.
        recipe: The recipe, which names the trackers; its name becomes the name of the project.
        folder: The run folder; its name becomes the name of the run.

    Raises:
        UserError: A tracker cannot be started, for example because nobody is logged in or its service does not answer.
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
            "a tracker cannot be started",
            where="training.trackers",
            found=_first_line(error),
            fix="set it up as its manual says (wandb login, MLFLOW_TRACKING_URI=...), or leave it out; metrics.jsonl "
            "holds the same",
        ) from error
    for tracker in accelerator.trackers:
        _warn_once(tracker)


def _warn_once(tracker: Any) -> None:
    """Turn the errors of a tracker into one warning: a service that is away for a while does not end the run."""
    has_warned = False

    def tolerant(method: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any, **options: Any) -> None:
            nonlocal has_warned
            try:
                method(*arguments, **options)
            except Exception as error:
                if not has_warned:
                    warn(f"{tracker.name} misses what metrics.jsonl holds: {_first_line(error)}")
                has_warned = True

        return call

    tracker.log, tracker.finish = tolerant(tracker.log), tolerant(tracker.finish)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def flat(tree: Mapping[str, Any]) -> dict[str, int | float | str | bool]:
    """Return the values of a nested mapping by dotted keys, in types that every tracker accepts.

    A mapping whose keys are not identifiers, such as one by class name, becomes one string: mlflow does not accept
    every key.
    """
    return {
        key: value if isinstance(value, int | float | str | bool) else str(value)
        for key, value in flatten(tree, _section).items()
    }


def _section(key: str, value: Any) -> Mapping[str, Any] | None:
    """Return a value that is a mapping by identifiers; None for others."""
    return value if isinstance(value, Mapping) and all(str(name).isidentifier() for name in value) else None
