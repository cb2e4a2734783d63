"""Which classes a run takes for which others."""

from collections import Counter
from dataclasses import dataclass

from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import DataTable, shortened

_MOST_CLASSES = 20
_MOST_PAIRS = 30


@dataclass(frozen=True)
class ConfusionMatrix:
    """How often each class was predicted as each.

    Args:
        classes: The classes.
        counts: For each reference the count of each prediction.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def share(self, row: int, column: int) -> float:
        """Return the share of a class's examples that are predicted as another class, 0 to 1."""
        return self.counts[row][column] / max(sum(self.counts[row]), 1)


def confusions(run: ReportedRun) -> ConfusionMatrix | DataTable | str | None:
    """Return the confusion matrix of a run that chooses one class for each text or word.

    Returns:
        The matrix; beyond 20 classes a table of the most frequent confusions; a sentence if no predictions are stored;
        None if the task has no classes, or examples have several.
    """
    if run.task.label_field is None:
        return None
    if not run.records:
        return f"There is no confusion matrix: {run.problem}."
    pairs = _pairs(run)
    if not pairs:
        return None
    names = {name for pair in pairs for name in pair}
    known = [name for name in run.part("details") if name in names]
    classes = [*known, *sorted(names.difference(known))]
    if len(classes) <= _MOST_CLASSES:
        counts = tuple(tuple(pairs[reference, prediction] for prediction in classes) for reference in classes)
        return ConfusionMatrix(tuple(map(shortened, classes)), counts)
    wrong = Counter({pair: count for pair, count in pairs.items() if pair[0] != pair[1]}).most_common(_MOST_PAIRS)
    rows = tuple(
        (shortened(reference), shortened(prediction), f"{count:,}") for (reference, prediction), count in wrong
    )
    caption = f"The most frequent confusions of {len(classes):,} classes"
    return DataTable(caption, ("reference", "prediction", "count"), rows)


def _pairs(run: ReportedRun) -> Counter[tuple[str, str]]:
    """Count each pair of reference and prediction; empty where examples do not have one class each."""
    if run.task.reads_words:
        return Counter()
    records = [record for record in run.records if record.reference is not None]
    if not all(isinstance(value, str) for record in records for value in (record.reference, record.prediction)):
        return Counter()
    return Counter((record.reference, record.prediction) for record in records)
