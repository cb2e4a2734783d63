"""Scoring predictions with several metrics at once."""

from collections.abc import Sequence
from typing import Any

from finetune.metrics.inputs import check_counts, check_some
from finetune.metrics.loading import load_metric
from finetune.metrics.scores import DEFAULT_OPTIONS, MetricOptions, Scores, merge_scores


def score(
    names: Sequence[str],
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    options: MetricOptions = DEFAULT_OPTIONS,
) -> Scores:
    """Score predictions against references.

    Args:
        names: Metrics: our own names, Hub names, or paths of `evaluate` scripts.
        predictions: One an example, gathered from all processes: a string, or for metrics of sequences a list of
            labels or token ids.
        references: As many as predictions, in the same order.
        options: The classes and the target language, where a metric asks for them.

    Returns:
        The scores of all metrics together (see `merge_scores` for names that two of them give).

    Raises:
        UserError: Nothing to score, a metric that cannot be loaded, or one that cannot read these predictions.
        ValueError: Numbers of predictions and references differ, for all or within an example.
    """
    check_counts(predictions, references)
    check_some(references)
    return merge_scores(
        load_metric(name, options).score(list(predictions), list(references)) for name in dict.fromkeys(names)
    )
