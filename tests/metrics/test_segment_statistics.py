"""sacreBLEU's metrics on resamples."""

import numpy as np
import pytest
import sacrebleu

from finetune.metrics.segment_statistics import segment_resampler

PREDICTIONS = ["the house is small today", "an old tree stands there", "no"]
REFERENCES = ["the house is small", "an old tree stands here", "yes it does"]


@pytest.mark.parametrize("metric", [sacrebleu.BLEU(), sacrebleu.CHRF()], ids=["BLEU", "chrF"])
def test_values_are_those_of_sacrebleu_on_the_segments_that_were_drawn(metric: sacrebleu.BLEU) -> None:
    values = segment_resampler(metric, "score", PREDICTIONS, REFERENCES)(np.array([[1.0, 1, 1], [2, 0, 1]]))["score"]
    assert values[0] == pytest.approx(metric.corpus_score(PREDICTIONS, [REFERENCES]).score)
    drawn = [[texts[0], texts[0], texts[2]] for texts in (PREDICTIONS, REFERENCES)]
    assert values[1] == pytest.approx(metric.corpus_score(drawn[0], [drawn[1]]).score)
