"""Matthews correlation: how predictions and references go together, whatever the balance of the classes."""

from sklearn.metrics import matthews_corrcoef

from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.scores import Scores


class MatthewsCorrelation(OfflineMetric):
    """Matthews correlation coefficient over all classes, -1 to 1 (scikit-learn), the score of CoLA in GLUE.

    It is 0/0, and given as 0, where predictions or references are all of one class.
    """

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one class name an example."""
        # scikit-learn also says 0 for a single class, with a warning about its confusion matrix.
        one_class = len({*predictions, *references}) == 1
        value = 0.0 if one_class else float(matthews_corrcoef(references, predictions))
        return Scores({"matthews_correlation": value})
