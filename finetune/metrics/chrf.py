"""chrF: F-score of character n-grams (Popović, WMT 2015 and 2016), computed by sacreBLEU."""

import sacrebleu

from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.scores import Scores


class Chrf(OfflineMetric):
    """chrF2 of the whole split, 0 to 100: character n-grams up to 6, no word n-grams, recall weighted by beta 2."""

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one detokenized text an example."""
        chrf = sacrebleu.CHRF()
        value = chrf.corpus_score(predictions, [references]).score
        return Scores({"chrf": value}, signatures={self.name: str(chrf.get_signature())})
