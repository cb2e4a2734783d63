"""Comparison of finished runs on the same test examples: which differences are more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import UserError
from finetune.metrics import greater_is_better
from finetune.metrics.paired import PairedDifference, holm, paired_differences
from finetune.report.stored_runs import StoredRun, read_run
from finetune.tasks import EvaluationRecord

LEVEL = 0.05
"""A difference with a smaller p-value, corrected for their number, is held to be more than chance."""


@dataclass(frozen=True)
class ScoreDifference:
    """The difference of one score between two runs.

    Args:
        name: Name of the score.
        difference: Both scores, the interval of their difference, and the p-value.
        corrected_p_value: The p-value, corrected for the number of differences that are looked at together.
    """

    name: str
    difference: PairedDifference
    corrected_p_value: float

    @property
    def is_real(self) -> bool:
        """Whether the difference is more than chance."""
        return self.corrected_p_value < LEVEL

    @property
    def is_better(self) -> bool | None:
        """Whether the second run is better; None where it is not known which direction is the better one."""
        greater = greater_is_better(self.name)
        return None if greater is None else (self.difference.value > 0) == greater


@dataclass(frozen=True)
class ChangedExample:
    """An example that one of two runs predicts better than the other.

    Args:
        record: The example with the prediction of the first run.
        prediction: The prediction of the second run.
        change: How much better the second prediction is, by `Task.example_score`; negative if it is worse.
    """

    record: EvaluationRecord
    prediction: Any
    change: float


@dataclass(frozen=True)
class RunComparison:
    """How a second run differs from a first.

    Args:
        first: The first run.
        second: The second run.
        scores: The differences by score.
        changed: The examples that one run predicts better than the other, the greatest changes first.
    """

    first: StoredRun
    second: StoredRun
    scores: tuple[ScoreDifference, ...]
    changed: tuple[ChangedExample, ...]


def compare_runs(folders: Sequence[Path]) -> list[RunComparison]:
    """Compare each run with the first one.

    Args:
        folders: The folders of two or more finished runs on the same test examples.

    Returns:
        One comparison for each run but the first. P-values are corrected for all differences together (Holm, 1979).

    Raises:
        UserError: Fewer than two runs, a folder that cannot be read, runs of different tasks, on different examples or
            with different classes, or no metric that can be compared.
    """
    if len(folders) < 2:
        raise UserError("one run has nothing to be compared with", expected="the folders of two or more runs")
    first, *others = [read_run(folder) for folder in folders]
    for other in others:
        check_same_test(first, other)
    found = [_differences(first, other) for other in others]
    corrected = iter(holm([one.p_value for differences in found for one in differences.values()]))
    return [
        RunComparison(
            first,
            other,
            tuple(ScoreDifference(name, one, next(corrected)) for name, one in differences.items()),
            _changed(first, other),
        )
        for other, differences in zip(others, found, strict=True)
    ]


def check_same_test(first: StoredRun, second: StoredRun) -> None:
    """Raise an error unless two runs are of one task and were tested on the same examples.

    Raises:
        UserError: They were not; it says how they differ.
    """
    kinds = [run.recipe.task.kind.replace("_", " ") for run in (first, second)]
    if kinds[0] != kinds[1]:
        raise _unlike(first, second, "runs of different tasks cannot be compared", f"{kinds[0]} and {kinds[1]}")
    counts = [len(run.records) for run in (first, second)]
    ids = [{record.id for record in run.records} for run in (first, second)]
    if ids[0] != ids[1] or counts[0] != counts[1]:
        alone = sorted(ids[0] ^ ids[1])
        found = f"{counts[0]:,} and {counts[1]:,} examples" + (f"; one alone has example {alone[0]}" if alone else "")
        raise _unlike(first, second, "the runs were tested on different examples", found)
    pairs = list(zip(first.records, second.records, strict=True))
    for what in ("input", "reference"):
        different = [one for one, other in pairs if getattr(one, what) != getattr(other, what)]
        if different:
            count = f"{len(different):,} of {len(pairs):,} examples"
            found = f"another {what} in {count}, first in example {different[0].id}"
            raise _unlike(first, second, "the runs were tested on different examples", found)
    names = [set(run.context.labels or ()) for run in (first, second)]
    if names[0] != names[1]:
        found = ", ".join(sorted(map(repr, names[0] ^ names[1]))[:5])
        raise _unlike(first, second, "the runs know different classes", f"one run alone knows {found}")


def _unlike(first: StoredRun, second: StoredRun, problem: str, found: str) -> UserError:
    return UserError(
        problem,
        expected="runs of one task on the same test split",
        found=found,
        where=f"{first.folder} and {second.folder}",
    )


def _differences(first: StoredRun, second: StoredRun) -> dict[str, PairedDifference]:
    """Return the differences by the names of the scores, by the metrics of the first run."""
    inputs = [run.task.metric_inputs(run.records, first.context) for run in (first, second)]
    found: dict[str, PairedDifference] = {}
    for name in first.metrics:
        (one, references), (other, _) = (each.special.get(name, each.ordinary) for each in inputs)
        units = inputs[0].units(name, first.groups)
        differences = paired_differences(name, one, other, references, units=units, options=first.options_of(name))
        found |= {value: difference for value, difference in differences.items() if value not in found}
    if not found:
        raise UserError(
            "no score of these runs can be compared",
            expected="a metric of finetune, and more than one test example",
            found=f"{', '.join(first.metrics) or 'no metric'}; {len(first.records):,} examples",
            where=f"{first.folder} and {second.folder}",
        )
    return found


def _changed(first: StoredRun, second: StoredRun) -> tuple[ChangedExample, ...]:
    score = first.task.example_score
    pairs = zip(first.records, second.records, strict=True)
    changes = [ChangedExample(one, other.prediction, score(other) - score(one)) for one, other in pairs]
    return tuple(sorted((one for one in changes if one.change), key=lambda one: -abs(one.change)))
