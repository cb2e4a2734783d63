"""The run folder `runs/<recipe>/<time>/`, which holds everything that a run writes."""

import contextlib
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from finetune import atomic, compose
from finetune.checkpointing.run_lock import RunLock
from finetune.errors import UserError
from finetune.progress import warn
from finetune.recipe import Recipe, name_problem
from finetune.recipe.changes import Changes
from finetune.tasks import EvaluationRecord

RESULTS = "results.json"
EVALUATION_RECIPE = "evaluation.yaml"
"""Name of the recipe in the folder of an evaluation of a trained model, which is no run."""
_ENVIRONMENT = "environment.json"
_UNPUBLISHED = "unpublished"
"""Name of a file that is there while a finished run has not been published."""
_PACKAGES = (
    "finetune-masks",
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "evaluate",
    "tokenizers",
    "scikit-learn",
    "sacrebleu",
    "seqeval",
)


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run folder, and methods that write its files; only the main process writes.

    Args:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(
        cls, recipe: Recipe, chosen: Mapping[str, Any] | None = None, lock: RunLock | None = None
    ) -> "RunFolder":
        """Make a new folder named by recipe and time, and write the recipe and the environment into it.

        Args:
            recipe: The recipe.
            chosen: The settings that the run chose for this machine, which are written to environment.json.
            lock: A lock that is taken before other processes can find the run; None leaves the folder unlocked.

        Raises:
            UserError: The folder cannot be made or written.
        """
        path = runs_of(recipe) / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        try:
            folder = cls(_make_new(path))
            if lock is not None:
                lock.take(folder.path)
            atomic.write_text(folder.recipe, compose.to_yaml(_resolved(recipe, chosen or {})))
        except OSError as error:
            raise UserError(
                f"the run folder {path} cannot be written",
                found=error.strerror,
                fix="name a folder of yours: output_dir=...",
            ) from error
        folder._write_json(_ENVIRONMENT, environment() | dict(chosen or {}))
        return folder

    @property
    def recipe(self) -> Path:
        """Path of the recipe with all values resolved, from which the run can be repeated."""
        return self.path / "recipe.yaml"

    @property
    def metrics(self) -> Path:
        """Path of the measurements, one JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def times(self) -> Path:
        """Path of the times that the parts of the training took, one JSON object per line.

        They are apart from the measurements, which are the same bits whenever a run is repeated.
        """
        return self.path / "times.jsonl"

    @property
    def is_finished(self) -> bool:
        """Whether the run is trained and evaluated on test."""
        return (self.path / RESULTS).is_file()

    @property
    def is_complete(self) -> bool:
        """Whether the run is finished, its model card is written, and it is pushed if its recipe says so."""
        return self.is_finished and not (self.path / _UNPUBLISHED).is_file()

    def mark_complete(self) -> None:
        """Mark the run as complete."""
        (self.path / _UNPUBLISHED).unlink(missing_ok=True)

    @property
    def model(self) -> Path:
        """Path of the best model with its tokenizer, as `from_pretrained` loads it."""
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        """Path of the folder of all checkpoints."""
        return self.path / "checkpoints"

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to metrics.jsonl, as one line of JSON."""
        _append(self.metrics, entry)

    def log_times(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to times.jsonl, as one line of JSON."""
        _append(self.times, entry)

    def metrics_size(self) -> int:
        """Return the size of metrics.jsonl in bytes, once all of it is on the disk."""
        with self.metrics.open("a") as file:
            os.fsync(file.fileno())
            return file.tell()

    def cut_metrics(self, size: int) -> None:
        """Truncate metrics.jsonl to `size` bytes; warn if it is shorter, as entries have then been lost."""
        with self.metrics.open("a") as file:
            if file.tell() < size:
                warn(f"{self.metrics} is shorter than at the checkpoint: earlier entries are lost")
            else:
                file.truncate(size)

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write results.json with the final scores; the run counts as unpublished until `mark_complete`."""
        note = f"to write the card and push the model: finetune run resume={self.path}\n"
        atomic.write_text(self.path / _UNPUBLISHED, note)
        self._write_json(RESULTS, results)

    def changes(self) -> Changes:
        """Return what differs from the recipe that the run was started with; nothing where that is not known."""
        path = self.path / _ENVIRONMENT
        try:
            stored = read_json(path, Environment, "").get("changed")
        except UserError:
            return Changes()
        return Changes.from_json(stored if isinstance(stored, dict) else {})

    def test_scores(self) -> dict[str, float]:
        """Return the final scores by name.

        Raises:
            UserError: results.json cannot be read.
        """
        fix = f"delete this file; resume={self.path} then scores the run again, from its last checkpoint"
        scores: dict[str, float] = read_json(self.path / RESULTS, Results, fix).get("test", {})
        return scores

    def write_predictions(self, split: str, records: Iterable[EvaluationRecord]) -> None:
        """Write one line of JSON per example, with its number, input, reference and prediction."""
        with (self.path / f"predictions_{split}.jsonl").open("w", encoding="utf-8") as file:
            for record in records:
                shown = {
                    "id": record.id,
                    "input": record.input,
                    "reference": record.reference,
                    "prediction": record.prediction,
                }
                file.write(json.dumps(shown | record.extra, ensure_ascii=False) + "\n")

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        atomic.write_text(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


class Results(BaseModel):
    """The part of results.json that is read."""

    model_config = ConfigDict(strict=True)

    test: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    changed: dict[str, dict[str, Any]] = {}
    baselines: dict[str, dict[str, float | None]] = {}


class Environment(BaseModel):
    """The part of environment.json that is read."""

    model_config = ConfigDict(strict=True)

    packages: dict[str, str] = {}


def read_json(path: Path, content: type[BaseModel], fix: str) -> dict[str, Any]:
    """Read a JSON file of a run folder.

    Args:
        path: The file.
        content: A model of the entries that the file must have; it may have others.
        fix: What the user can do if the file cannot be read.

    Returns:
        All entries of the file.

    Raises:
        UserError: The file cannot be read, is no JSON, or lacks an entry.
    """
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content.model_validate(stored)
    except (OSError, ValueError, RecursionError) as error:  # pydantic's and JSON's errors are ValueErrors
        raise UserError(
            f"{path.name} of the run cannot be read",
            where=str(path),
            expected=f"a JSON object with {', '.join(content.model_fields)}, as the run wrote it",
            found=" ".join(str(error).split())[:200],
            fix=fix,
        ) from error
    return stored


def runs_of(recipe: Recipe) -> Path:
    """Return the folder that holds the runs of a recipe of this name: `<output_dir>/<name>`.

    Raises:
        UserError: The name of the recipe cannot be the name of a folder in `output_dir`.
    """
    if problem := name_problem(recipe.name):
        raise UserError(problem, where="name", found=repr(recipe.name), fix="name=my_run, say")
    return recipe.output_dir / recipe.name


def _resolved(recipe: Recipe, chosen: Mapping[str, Any]) -> Recipe:
    """Return the recipe with the values chosen for the machine, and without `resume`, so that it repeats the run."""
    asked, training = recipe.training, {}
    precision, matmul = (chosen.get(name, {}) for name in ("precision", "matmul"))
    if asked.precision == "auto" and precision.get("name") in ("fp32", "bf16", "fp16"):
        training["precision"] = precision["name"]
    if asked.fp32_matmul == "auto" and matmul:
        training["fp32_matmul"] = matmul["library"]
    return recipe.model_copy(update={"resume": None, "training": asked.model_copy(update=training)})


def _make_new(path: Path) -> Path:
    """Make a new folder, whose name is numbered if another run that started in the same second has it."""
    for number in itertools.count(1):
        numbered = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileExistsError):
            numbered.mkdir(parents=True)
            return numbered
    raise AssertionError("unreachable")


def environment() -> dict[str, Any]:
    """Return the command, the versions of packages, and the hardware, for environment.json."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


@functools.cache
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
