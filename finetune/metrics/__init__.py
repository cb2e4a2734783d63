"""Metrics: `evaluate.Metric` modules that need no network, one metric a file, and simple baselines to compare with.

What lives here turns predictions and references into numbers. Decoding, label schemes and gathering over processes
do not: a caller hands in every example's prediction and reference once. Scores can have confidence intervals
(`finetune.metrics.intervals`). Importing the package is light; a metric's
libraries are imported when it is first loaded.

Scales: `bleu` and `chrf` are 0 to 100, as sacreBLEU gives them; correlations (`matthews_correlation`, `pearsonr`,
`spearmanr`) are -1 to 1; `mse` is 0 or more, the lower the better; all others are 0 to 1.
"""

from finetune.metrics.direction import greater_is_better
from finetune.metrics.loading import check_metric
from finetune.metrics.registry import MetricRecord, own_metrics, register_metric, unregister_metric, value_names
from finetune.metrics.scores import Interval, MetricOptions, Scores, merge_scores
from finetune.metrics.scoring import score

__all__ = [
    "Interval",
    "MetricOptions",
    "MetricRecord",
    "Scores",
    "check_metric",
    "greater_is_better",
    "merge_scores",
    "own_metrics",
    "register_metric",
    "score",
    "unregister_metric",
    "value_names",
]
