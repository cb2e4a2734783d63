"""chrF: F-score of character n-grams (Popović, WMT 2015 and 2016), computed by sacreBLEU."""

from collections.abc import Sequence

import sacrebleu

from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Resampler
from finetune.metrics.scores import Scores
from finetune.metrics.segment_statistics import segment_resampler


def sentence_chrf(prediction: str, reference: str) -> float:
    """Return the chrF2 of one text, 0 to 100."""
    return float(sacrebleu.sentence_chrf(prediction, [reference]).score)


class Chrf(OfflineMetric):
    """chrF2 of the whole split, 0 to 100: character n-grams up to 6, no word n-grams, recall weighted by beta 2."""

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one detokenized text an example."""
        chrf = sacrebleu.CHRF()
        value = chrf.corpus_score(predictions, [references]).score
        return Scores({"chrf": value}, signatures={self.name: str(chrf.get_signature())})

    def resampler(self, predictions: Sequence[str], references: Sequence[str]) -> Resampler:
        """Return the function from resamples to values."""
        return segment_resampler(sacrebleu.CHRF(), "chrf", predictions, references)
