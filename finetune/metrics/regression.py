"""What metrics of numbers share."""

from numbers import Real

from finetune.metrics.offline_metric import OfflineMetric


class NumberMetric(OfflineMetric):
    """Scores one number an example."""

    element = Real
