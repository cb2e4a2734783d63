"""Run folders as a report reads them: what is absent or cannot be read is left out, with a sentence that says why."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from finetune import compose, tasks
from finetune.checkpointing.run_folder import Environment, Results, RunFolder, read_json
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.report.stored_runs import PREDICTIONS, read_records
from finetune.tasks import EvaluationRecord, Task

MOST_RUNS = len(ascii_uppercase)
"""The largest number of runs of one report; each has a letter."""


@dataclass(frozen=True)
class ReportedRun:
    """A run folder, as far as it can be read.

    Args:
        letter: The letter that names the run in the report.
        folder: The run folder.
        recipe: The recipe with all values resolved.
        task: The task.
        results: Content of results.json; empty if the run is not finished.
        environment: Content of environment.json; empty if it cannot be read.
        entries: The entries of metrics.jsonl that can be read, in their order.
        times: The entries of times.jsonl that can be read, in their order.
        records: The test examples with the predictions, in the order of their numbers; empty if they cannot be read.
        problem: Why there are no records; empty if there are.
    """

    letter: str
    folder: Path
    recipe: Recipe
    task: Task
    results: dict[str, Any]
    environment: dict[str, Any]
    entries: tuple[dict[str, Any], ...]
    times: tuple[dict[str, Any], ...]
    records: tuple[EvaluationRecord, ...]
    problem: str = ""

    @property
    def title(self) -> str:
        """The last two parts of the folder's path, which are the name of the recipe and the time."""
        return "/".join(self.folder.absolute().parts[-2:])

    @property
    def is_finished(self) -> bool:
        """Whether the run is trained and evaluated on test."""
        return bool(self.results)

    def part(self, name: str) -> dict[str, Any]:
        """Return an entry of results.json that is an object; empty where there is none."""
        found = self.results.get(name)
        return found if isinstance(found, dict) else {}


def read_folders(folders: Sequence[Path]) -> tuple[ReportedRun, ...]:
    """Read the folders of the runs that a report is to show.

    Raises:
        UserError: There is no folder, there are too many, a folder is not that of a run, one is named twice, or its
            recipe or its results.json cannot be read.
    """
    if not 0 < len(folders) <= MOST_RUNS:
        raise UserError(
            "a report shows one run or several side by side", expected=f"1 to {MOST_RUNS}", found=f"{len(folders)} runs"
        )
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UserError("a run is named twice", found=", ".join(map(str, folders)), fix="name each run once")
    return tuple(_read(folder, letter) for folder, letter in zip(folders, ascii_uppercase, strict=False))


def _read(folder: Path, letter: str) -> ReportedRun:
    run = RunFolder(folder)
    if not run.recipe.is_file():
        raise UserError(
            f"{folder} is not the folder of a run",
            expected="a folder such as runs/<recipe>/<time>",
            found="no recipe.yaml in it" if folder.is_dir() else "no such folder",
        )
    recipe = compose.load_recipe(str(run.recipe))
    task = tasks.create(recipe)
    results: dict[str, Any] = {}
    if run.is_finished:
        results = read_json(folder / "results.json", Results, f"finetune run resume={folder}, without this file")
    records, problem = _records(folder)
    entries, times = _entries(run.metrics), _entries(run.times)
    return ReportedRun(letter, folder, recipe, task, results, _environment(folder), entries, times, records, problem)


def _environment(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / "environment.json", Environment, "")
    except UserError:
        return {}


def _entries(path: Path) -> tuple[dict[str, Any], ...]:
    """Return the entries of a log that have a step; a line that was half written is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(entry for entry in _objects(lines) if isinstance(entry.get("step"), int))


def _objects(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def _records(folder: Path) -> tuple[tuple[EvaluationRecord, ...], str]:
    """Return the records of the test split, or else why there are none."""
    try:
        return tuple(sorted(read_records(folder / PREDICTIONS), key=lambda record: record.id)), ""
    except UserError as error:
        return (), f"{error.problem}: {error.found}" if error.found else error.problem
    except TypeError as error:
        return (), f"the numbers of the examples of {folder.name} have no order: {error}"
