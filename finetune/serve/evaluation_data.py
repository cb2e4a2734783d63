"""The data that a trained model is evaluated on: a file, a folder, other keys of `data`, or those of its own run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedConfig

from finetune import compose, tasks
from finetune.data import LoadedData, load_data
from finetune.data.files.formats import format_ending
from finetune.data.labels import NO_TARGET, distinct_labels, is_no_target
from finetune.data.messages import shorten_list
from finetune.data.one_split import is_single_file, load_one_split
from finetune.errors import UserError
from finetune.progress import say
from finetune.recipe import Recipe
from finetune.recipe.data import NO_ORIGIN
from finetune.serve.as_trained import as_trained
from finetune.serve.formats import SUFFIXES, Input
from finetune.serve.loading import labels_of
from finetune.serve.model_location import INFERENCE_KEYS, ModelLocation, check_overrides
from finetune.tasks import Task
from finetune.tasks.label_schemes import labelling_of_names
from finetune.tasks.problem_types import PROBLEM_TYPES, problem_type_of

SplitName = Literal["train", "dev", "test"]

OF_MODEL = tuple(key for key in INFERENCE_KEYS if not key.startswith("data."))
"""Keys of a recipe, or their beginnings, that say how a trained model computes."""
EVALUATION_KEYS = (*OF_MODEL, "data.", "training.best_metric", "training.greater_is_better", "allow_code")
"""Keys of a recipe, or their beginnings, that have a meaning where a trained model is evaluated."""

_OTHER_DATA: Mapping[str, Any] = {
    **NO_ORIGIN,
    "data.path": None,
    "data.encoding": None,
    "data.delimiter": None,
    "data.revision": "main",
    "data.splits.train": "train",
    "data.splits.dev": "validation",
    "data.splits.test": "test",
    "data.streaming": False,
    "data.max_train_examples": None,
    "data.max_dev_examples": None,
    "data.max_test_examples": None,
}
"""The keys that describe the data of the training, and their values where other data are given."""
_ORIGINS = ("data.path", "data.name", "data.sample", "data.function", "data.sources")
_KEPT = ("data.labels", "data.dev_share", "data.test_share", "data.split_seed")
"""The keys of data that only a training can choose."""
_OF_OWN_DATA = ("allow_code", "training.", "data.max_", "data.subset", "data.cache_dir")
"""The keys, or their beginnings, that change nothing in how the data of a run were split."""
_NAMED_BY_ROLES = ("iobes", "bios", "bioe")
"""The label schemes that the names of a model's labels tell apart from all others."""


def check_evaluation_overrides(overrides: Mapping[str, Any]) -> None:
    """Raise an error for keys that have no effect where a trained model is evaluated.

    Raises:
        UserError: There are such keys.
    """
    kept = [key for key in overrides if key in _KEPT]
    check_overrides({key: value for key, value in overrides.items() if key not in kept}, EVALUATION_KEYS)
    if kept:
        raise UserError(
            f"{kept[0]} was chosen when the model was trained",
            where=kept[0],
            expected="the classes of the model, and the splits of its training",
            fix=f"leave {kept[0]} out",
        )


@dataclass(frozen=True)
class EvaluationData:
    """The examples that a model is evaluated on.

    Args:
        recipe: The recipe of the model, with the `data` section by which the examples were read.
        loaded: The examples.
        split: The split of `loaded` that is scored.
    """

    recipe: Recipe
    loaded: LoadedData
    split: SplitName

    @property
    def description(self) -> str:
        """The origin of the examples in a few words, with their split unless they are all of a file."""
        data = self.recipe.data
        return data.description if is_single_file(data) else f"{data.description} ({self.split})"


def recipe_of_data(
    origin: ModelLocation, own: Recipe, path: str | None, overrides: Mapping[str, Any]
) -> tuple[Recipe, bool]:
    """Return the recipe with the `data` section that names the examples, and whether these are other data.

    How columns are named, which rows are kept and which groups they belong to is that of the model's own recipe where
    the overrides say nothing else.

    Args:
        origin: Where the model is.
        own: The recipe that the model was trained by, or one that is made for its class.
        path: A file or a folder; None for the data that the overrides name, or else the model's own recipe.
        overrides: The overrides of the section `data` by dotted keys.

    Raises:
        UserError: Keys are wrong or contradict each other, or no data are named.
    """
    changes = dict(overrides)
    if path is not None:
        if twice := [key for key in _ORIGINS if key in changes]:
            raise UserError(f"--data and {twice[0]} are both given", where=twice[0], fix="give one of them alone")
        changes["data.path"] = path
    if not any(changes.get(key) for key in _ORIGINS):
        if origin.recipe is None:
            raise UserError(
                f"there is no recipe beside the model {origin.model}, which would name its data",
                expected="the data that it is to be evaluated on",
                fix="--data names a file or a folder; data.name=... a data set on the Hub",
            )
        if odd := [key for key in changes if not key.startswith(_OF_OWN_DATA)]:
            raise UserError(
                f"{odd[0]} would split the data of the training in another way",
                where=odd[0],
                expected="the splits of the training, so that no example of its train split is scored as a test",
                fix="--data names other data, which are read by such keys",
            )
        return compose.override(own, changes), False
    usual = {key: value for key, value in _OTHER_DATA.items() if not _is_given(key, changes)}
    return compose.override(own, {**usual, **_as_trained(own, changes), **changes}), True


def _is_given(key: str, changes: Mapping[str, Any]) -> bool:
    """Return whether the overrides hold a key, a section that it is in, or a part of its value."""
    return any(key == one or key.startswith(f"{one}.") or one.startswith(f"{key}.") for one in changes)


def _as_trained(own: Recipe, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a single file is written, where the recipe of the model or the file itself tells it."""
    path = Path(str(changes.get("data.path"))).expanduser()
    format_ = SUFFIXES.get(format_ending(path))
    if "data.format" in changes or format_ in (None, "parquet", "text") or not path.is_file():
        return {}
    names = changes.get("data.column_names")
    given = Input(
        path,
        encoding=changes.get("data.encoding"),
        delimiter=changes.get("data.delimiter"),
        column_names=None if names is None else tuple(names),
    )
    data = compose.override(own, {key: one for key, one in changes.items() if key.startswith("data.columns")}).data
    fields = tasks.create(own.model_copy(update={"data": data})).input_fields
    found, notes = as_trained(given, format_, data, fields)
    for note in notes:
        say(note)
    read = {"encoding": found.encoding, "delimiter": found.delimiter, "column_names": found.column_names}
    return {f"data.{name}": value for name, value in read.items() if value is not None}


def load_evaluation_data(
    recipe: Recipe, config: PreTrainedConfig, split: SplitName | None, *, is_other: bool
) -> EvaluationData:
    """Read and check the examples that a model is evaluated on.

    Args:
        recipe: The recipe with the `data` section that names them.
        config: The configuration of the model, which holds its classes.
        split: The split; None is test, or the only one of a file.
        is_other: Whether these are other data than those of the training.

    Raises:
        UserError: The data cannot be read, have no such split or no references, or have classes that the model does
            not know.
    """
    if is_other:
        recipe = _of_model(recipe, config)
        _refuse_split_of_file(recipe, split)
    task = tasks.create(recipe)
    chosen: SplitName = split or "test"
    slices = recipe.evaluation.slice_columns
    if is_other:
        read = load_one_split(recipe.data, task.fields, chosen, slices)
    else:
        read = load_data(recipe.data, task.fields, slices)
    loaded = task.prepare(read)
    if task.reference_field not in getattr(loaded, chosen).column_names:
        raise UserError(
            f"the {chosen} split has no labels",
            where=recipe.data.description,
            expected="references, which predictions are compared with",
            fix="finetune predict predicts rows without labels",
        )
    if not is_other:
        _check_classes(task, loaded, chosen, config)
    return EvaluationData(recipe, loaded, chosen)


def _of_model(recipe: Recipe, config: PreTrainedConfig) -> Recipe:
    """Return the recipe with what the model itself determines: its classes, its problem type and its label scheme."""
    task = tasks.create(recipe)
    keys: dict[str, Any] = {"data.labels": labels_of(task, config)}
    if hasattr(recipe.task, "problem_type"):
        problem = problem_type_of(config)
        keys["task.problem_type"] = next(name for name, one in PROBLEM_TYPES.items() if one is problem)
        if keys["task.problem_type"] == "regression":
            keys["data.labels"] = None
    if getattr(recipe.task, "scheme", None) == "auto":
        marked = labelling_of_names(keys["data.labels"] or ())
        if marked is not None and marked.scheme in _NAMED_BY_ROLES:
            keys["task.scheme"] = marked.scheme
    return compose.override(recipe, keys)


def _refuse_split_of_file(recipe: Recipe, split: SplitName | None) -> None:
    if split is None or not is_single_file(recipe.data):
        return
    raise UserError(
        "a file is one split, and all of its rows are scored",
        where=f"--split {split}",
        found=f"data.path={recipe.data.path}",
        fix="leave --split out, or name a folder that holds the splits",
    )


def _check_classes(task: Task, loaded: LoadedData, split: str, config: PreTrainedConfig) -> None:
    """Raise an error where the data of a run have changed, so that they hold classes that its model does not know."""
    known = labels_of(task, config)
    field = next((one for one in task.fields if one.name == task.label_field), None)
    if known is None or field is None or field.kind == "number" or loaded.labels.get(field.name) == known:
        return
    column = getattr(loaded, split).select_columns([field.name]).with_format("arrow")[:][field.name]
    names = distinct_labels(column) - set(known) - ({NO_TARGET} if is_no_target(field, known) else set())
    if names:
        raise UserError(
            f"the {split} split holds classes that the model does not know: {shorten_list(sorted(names))}",
            where=f"column {field.column!r}",
            expected=shorten_list(list(known)),
            fix="the data have changed since the training; --data names others",
        )
