"""Scores by slice, as results.json has them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finetune.metrics import greater_is_better


@dataclass(frozen=True)
class StoredSlice:
    """The stored score of a part of the test split.

    Args:
        by: What the split is divided by: `length`, `label` or a column.
        name: The value that the examples of the slice have in common.
        num_examples: The number of these examples.
        metric: The name of the score.
        score: The score; None where it is not defined.
        interval: Its 95% confidence interval; None where it is not defined.
    """

    by: str
    name: str
    num_examples: int
    metric: str
    score: float | None
    interval: tuple[float, float] | None


def stored_slices(results: Mapping[str, Any]) -> list[StoredSlice]:
    """Return the scores by slice, the worst first, and last those that are not defined.

    Args:
        results: Content of results.json. What is not as finetune writes it is left out.
    """
    stored = results.get("slices")
    found = list(_slices(stored if isinstance(stored, Mapping) else {}))

    def rank(one: StoredSlice) -> tuple[bool, float]:
        sign = -1 if greater_is_better(one.metric) is False else 1
        return one.score is None, sign * (one.score or 0.0)

    return sorted(found, key=rank)


def _slices(stored: Mapping[str, Any]) -> Iterator[StoredSlice]:
    for by, entries in stored.items():
        for entry in entries if isinstance(entries, list) else []:
            names = [name for name in entry if name not in ("slice", "examples", "interval")]
            if len(names) != 1 or not isinstance(entry.get("examples"), int):
                continue
            score, bounds = entry[names[0]], entry.get("interval")
            has_bounds = isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_number, bounds))
            yield StoredSlice(
                by,
                str(entry.get("slice")),
                entry["examples"],
                names[0],
                float(score) if _is_number(score) else None,
                (bounds[0], bounds[1]) if has_bounds else None,
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
