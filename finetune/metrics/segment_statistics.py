"""Resamples of sacreBLEU's metrics, from its own statistics of each segment."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from finetune.metrics.resampling import Floats64, Resampler, Values, from_sums


def segment_resampler(metric: Any, name: str, predictions: Sequence[str], references: Sequence[str]) -> Resampler:
    """Return the resampler of a metric of sacreBLEU.

    The two methods that sacreBLEU's own bootstrap calls are private; it offers no others, and its bootstrap knows no
    groups of segments.

    Args:
        metric: The metric of sacreBLEU.
        name: Name of its value.
        predictions: One text an example.
        references: As many as predictions.
    """
    statistics = np.array(metric._extract_corpus_statistics(predictions, [references]), float)

    def values(sums: Floats64) -> Values:
        return {name: np.array([metric._compute_score_from_stats(row).score for row in sums])}

    return from_sums(statistics, values)
