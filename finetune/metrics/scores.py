"""What metrics are told and what they give back."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from itertools import count


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a score.

    Args:
        low: The lower bound.
        high: The upper bound.
    """

    low: float
    high: float


@dataclass(frozen=True)
class MetricOptions:
    """What a metric may need to know beside predictions and references."""

    labels: tuple[str, ...] | None = None
    """The classes, in order; orders the details, and numbers the classes for Hub metrics that want numbers."""
    target_language: str | None = None
    """Language of the outputs (ISO 639: zh, ja, pt-BR); chooses sacreBLEU's tokenizer."""
    has_words: bool = True
    """Whether spaces cut the references into words; where they do not, BLEU is computed on characters."""


DEFAULT_OPTIONS = MetricOptions()


@dataclass(frozen=True)
class Scores:
    """Numbers by name, and what is needed to read and repeat them."""

    values: dict[str, float] = field(default_factory=dict)
    """The scores: accuracy, f1, bleu."""
    details: dict[str, dict[str, float]] = field(default_factory=dict)
    """Finer numbers: by class, by entity type, or the parts of a score (the n-gram precisions of bleu)."""
    signatures: dict[str, str] = field(default_factory=dict)
    """By metric name, the settings and versions that a score depends on, written as sacreBLEU does."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """95% confidence intervals of the scores, where they were computed and are defined."""


def merge_scores(parts: Iterable[Scores]) -> Scores:
    """Return the scores of several metrics together; a value whose name is taken becomes f1_2, f1_3 and so on."""
    merged = Scores()
    for part in parts:
        for name, value in part.values.items():
            free = _free_name(name, merged.values)
            merged.values[free] = value
            if name in part.intervals:
                merged.intervals[free] = part.intervals[name]
        for name, numbers in part.details.items():
            merged.details[name] = merged.details.get(name, {}) | numbers
        merged.signatures.update(part.signatures)
    return merged


def _free_name(name: str, taken: Container[str]) -> str:
    candidates = (name if number == 1 else f"{name}_{number}" for number in count(1))
    return next(candidate for candidate in candidates if candidate not in taken)
