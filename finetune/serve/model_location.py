"""Find the model that a user names: a run, a folder, or a name on the Hub."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils.hub import cached_file

from finetune import compose
from finetune.checkpointing.checkpoint import step_of
from finetune.errors import UserError, nearest, raise_all
from finetune.hub_access import hub_access
from finetune.recipe import Recipe

RECIPE = "recipe.yaml"
MODEL = "model"
CHECKPOINTS = "checkpoints"
INFERENCE_KEYS = (
    "data.columns.",
    "data.column_names",
    "task.",
    "evaluation.",
    "training.precision",
    "training.fp32_matmul",
    "training.cpu_tuning",
    "training.layout",
)
"""Keys of a recipe, or their beginnings, that have a meaning for a trained model."""

PLACES = "the folder of a run (runs/<recipe>/<time>), the folder of a model, or a name on the Hub (owner/name)"
"""What a model can be named by."""


@dataclass(frozen=True)
class ModelLocation:
    """The place of a model.

    Args:
        model: A folder or a name on the Hub, as `from_pretrained` takes it.
        recipe: The recipe that the model was trained by; None if there is none beside the model.
    """

    model: str
    recipe: Recipe | None


def find_model(name: str) -> ModelLocation:
    """Return the model that a user names, and its recipe.

    Args:
        name: The folder of a run, of a run's model or checkpoint, or of any model; or a name on the Hub.

    Raises:
        UserError: There is no such model.
    """
    folder = Path(name).expanduser()
    check_place(str(folder) if name.startswith("~") else name)
    if folder.is_dir():
        return _in_folder(folder)
    with hub_access("model", name, "model.name"):
        found = cached_file(name, RECIPE, _raise_exceptions_for_missing_entries=False)
    return ModelLocation(name, None if found is None else compose.load_recipe(str(found)))


def _in_folder(folder: Path) -> ModelLocation:
    if (folder / RECIPE).is_file() and (folder / MODEL / "config.json").is_file():
        return ModelLocation(str(folder / MODEL), compose.load_recipe(str(folder / RECIPE)))
    if not (folder / "config.json").is_file():
        raise _no_model(folder)
    places = [folder]
    places += [folder.resolve().parent] if folder.resolve().name == MODEL else []
    places += [folder.resolve().parent.parent] if folder.resolve().parent.name == CHECKPOINTS else []
    recipe = next((place / RECIPE for place in places if (place / RECIPE).is_file()), None)
    return ModelLocation(str(folder), None if recipe is None else compose.load_recipe(str(recipe)))


def check_place(name: str) -> None:
    """Raise an error for a place that cannot be that of a model: a folder without one, a file, or a path to nothing.

    Raises:
        UserError: It cannot be; the message says what was looked for.
    """
    folder = Path(name)
    if folder.is_dir():
        if not any((place / "config.json").is_file() for place in (folder, folder / MODEL)):
            raise _no_model(folder)
    elif folder.exists():
        raise UserError(f"{name} is a file", expected=PLACES, fix=f"give its folder: {folder.parent}")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        near = newest_run(name)
        raise UserError(
            f"there is no folder {name}",
            expected=PLACES,
            found=f"nothing at {folder.absolute()}",
            fix=f"did you mean {near}?" if near else "check the path (relative to this folder)",
        )


def newest_run(name: str) -> Path | None:
    """Return the newest finished run in runs/ of the recipe whose name is like the last part of `name`, if any."""
    finished = [path.parents[1] for path in Path("runs").glob(f"*/*/{MODEL}/config.json")]
    parts = [part for part in Path(name).parts if part not in (".", "..", "/", "runs")]
    recipe = next((near for part in parts if (near := nearest(part, {run.parent.name for run in finished}))), None)
    return max((run for run in finished if run.parent.name == recipe), default=None)


def _no_model(folder: Path) -> UserError:
    checkpoints = [path.parent for path in folder.glob(f"{CHECKPOINTS}/*/config.json") if step_of(path.parent)]
    runs = [path.parents[1] for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{MODEL}/config.json")]
    newest = max(checkpoints, key=lambda path: step_of(path) or 0, default=None)
    near = newest or max(runs, key=lambda path: ((path / MODEL).stat().st_mtime, path.name), default=None)
    unfinished = (folder / RECIPE).is_file()
    return UserError(
        f"the run in {folder} has not finished" if unfinished else f"the folder {folder} holds no model",
        expected="the folder of a finished run, or one with config.json and model.safetensors",
        found=", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "an empty folder",
        fix=None if near is None else f"did you mean {near}?",
    )


def check_overrides(overrides: Mapping[str, Any], keys: Sequence[str] = INFERENCE_KEYS) -> None:
    """Raise an error for keys that say how a model is trained, which have no effect on a trained model.

    Args:
        overrides: The overrides by dotted keys.
        keys: The keys that have an effect, or their beginnings.

    Raises:
        UserError: There are such keys.
    """
    raise_all(
        [
            UserError(
                f"{key} has no meaning for a trained model",
                expected="keys that begin with " + ", ".join(keys),
                fix=f"leave {key} out",
            )
            for key in overrides
            if key == "task.kind" or not key.startswith(tuple(keys))
        ]
    )
