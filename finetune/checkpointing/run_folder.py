"""`runs/<recipe>/<time>/`: everything that a run leaves behind."""

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

from finetune import compose
from finetune.checkpointing.run_lock import RunLock
from finetune.errors import UserError
from finetune.progress import warn
from finetune.recipe import Recipe, name_problem
from finetune.tasks import EvaluationRecord

_RESULTS = "results.json"
_UNPUBLISHED = "unpublished"
"""The file that says that a finished run has not yet been published."""
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
    """Paths and writers of one run; only the main process writes."""

    path: Path

    @classmethod
    def create(
        cls, recipe: Recipe, chosen: Mapping[str, Any] | None = None, lock: RunLock | None = None
    ) -> "RunFolder":
        """Make a new folder named by recipe and time, and write the recipe and the environment into it.

        Args:
            recipe: The run.
            chosen: What the run chose for this machine, kept with the environment.
            lock: Locks the folder before others can find the run in it.

        Raises:
            UserError: The folder cannot be made.
        """
        path = runs_of(recipe) / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        try:
            folder = cls(_make_new(path))
            if lock is not None:
                lock.take(folder.path)
            # Written aside, so that a run killed now leaves a whole recipe or none.
            _write(folder.recipe, compose.to_yaml(_resolved(recipe, chosen or {})))
        except OSError as error:
            raise UserError(
                f"the run folder {path} cannot be written",
                found=error.strerror,
                fix="name a folder of yours: output_dir=...",
            ) from error
        folder._write_json("environment.json", environment() | dict(chosen or {}))
        return folder

    @property
    def recipe(self) -> Path:
        """The recipe with everything resolved, which repeats the run."""
        return self.path / "recipe.yaml"

    @property
    def metrics(self) -> Path:
        """What was measured, a line each time."""
        return self.path / "metrics.jsonl"

    @property
    def is_finished(self) -> bool:
        """Whether the run is trained and scored."""
        return (self.path / _RESULTS).is_file()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do: the run is finished, its card is written, and it is pushed where asked for."""
        return self.is_finished and not (self.path / _UNPUBLISHED).is_file()

    def mark_complete(self) -> None:
        """Note that nothing is left to do."""
        (self.path / _UNPUBLISHED).unlink(missing_ok=True)

    @property
    def model(self) -> Path:
        """The best model with its tokenizer, as from_pretrained loads it."""
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        """Models saved at evaluations."""
        return self.path / "checkpoints"

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def metrics_size(self) -> int:
        """Bytes of metrics.jsonl, once they are on the disk."""
        with self.metrics.open("a") as file:
            os.fsync(file.fileno())
            return file.tell()

    def cut_metrics(self, size: int) -> None:
        """Forget what metrics.jsonl holds after its first `size` bytes; entries that have been lost are told."""
        with self.metrics.open("a") as file:
            if file.tell() < size:
                warn(f"{self.metrics} is shorter than at the checkpoint: earlier entries are lost")
            else:
                file.truncate(size)

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write results.json, the final scores; until `mark_complete` the run is known as not yet published."""
        _write(self.path / _UNPUBLISHED, f"to write the card and push the model: finetune run resume={self.path}\n")
        self._write_json(_RESULTS, results)

    def test_scores(self) -> dict[str, float]:
        """Return the final scores by name.

        Raises:
            UserError: results.json is damaged.
        """
        fix = f"delete this file; resume={self.path} then scores the run again, from its last checkpoint"
        scores: dict[str, float] = read_json(self.path / _RESULTS, Results, fix).get("test", {})
        return scores

    def write_predictions(self, split: str, records: Iterable[EvaluationRecord]) -> None:
        """Write one line an example: its number, input, reference and prediction."""
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
        _write(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


class Results(BaseModel):
    """What is read of results.json; it holds more."""

    model_config = ConfigDict(strict=True)

    test: dict[str, float] = {}
    baselines: dict[str, dict[str, float | None]] = {}


class Environment(BaseModel):
    """What is read of environment.json; it holds more."""

    model_config = ConfigDict(strict=True)

    packages: dict[str, str] = {}


def read_json(path: Path, content: type[BaseModel], fix: str) -> dict[str, Any]:
    """Read a JSON file of a run's folder.

    Args:
        path: The file.
        content: What it must hold.
        fix: What the user can do where it does not.

    Returns:
        The whole object in the file.

    Raises:
        UserError: The file cannot be read, or is damaged.
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
        UserError: The name, of a recipe's file for example, cannot be that of a folder in `output_dir`.
    """
    if problem := name_problem(recipe.name):
        raise UserError(problem, where="name", found=repr(recipe.name), fix="name=my_run, say")
    return recipe.output_dir / recipe.name


def _write(path: Path, text: str) -> None:
    """Write a file that is never half there."""
    written = path.with_name(path.name + ".tmp")
    with written.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    written.rename(path)


def _resolved(recipe: Recipe, chosen: Mapping[str, Any]) -> Recipe:
    """The recipe with what it left to the machine filled in: it repeats the run, and does not go on with another."""
    asked, training = recipe.training, {}
    precision, matmul = (chosen.get(name, {}) for name in ("precision", "matmul"))
    if asked.precision == "auto" and precision.get("name") in ("fp32", "bf16", "fp16"):
        training["precision"] = precision["name"]
    if asked.fp32_matmul == "auto" and matmul:
        training["fp32_matmul"] = matmul["library"]
    return recipe.model_copy(update={"resume": None, "training": asked.model_copy(update=training)})


def _make_new(path: Path) -> Path:
    """Make a folder that was not there, numbered where another run of the same second has the name."""
    for number in itertools.count(1):
        numbered = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileExistsError):
            numbered.mkdir(parents=True)
            return numbered
    raise AssertionError("unreachable")


def environment() -> dict[str, Any]:
    """Versions and hardware: with the recipe, what is needed to repeat the run."""
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
