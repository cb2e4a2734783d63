"""Token accuracy: the share of target tokens that the model ranks first, given the right tokens before them."""

from collections.abc import Sequence
from itertools import chain
from numbers import Integral

import numpy as np

from finetune.metrics.inputs import check_some
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Resampler, shares
from finetune.metrics.scores import Scores

IGNORED = -100
"""Id of reference positions that are not scored: padding, as in PyTorch's cross_entropy."""


class TokenAccuracy(OfflineMetric):
    """Share of reference tokens predicted right under teacher forcing, 0 to 1; ids of -100 are not scored.

    It is a quotient of two counts over all examples, given in the details. It says how well the next token is
    foretold, not how good a translation is: the model is never led astray by its own mistakes.
    """

    element = Integral
    sequences = True

    def measure(self, predictions: list[list[int]], references: list[list[int]]) -> Scores:
        """Score one list of token ids an example, the argmax of the logits against the labels."""
        pairs = zip(chain(*predictions), chain(*references), strict=True)
        hits = [predicted == expected for predicted, expected in pairs if expected != IGNORED]
        check_some(hits, "token")
        counts = {"correct": float(sum(hits)), "total": float(len(hits))}
        return Scores({"token_accuracy": sum(hits) / len(hits)}, details={"token_accuracy": counts})

    def resampler(self, predictions: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> Resampler:
        """Return the function from resamples to values."""
        scored = [
            [one == other for one, other in zip(predicted, expected, strict=True) if other != IGNORED]
            for predicted, expected in zip(predictions, references, strict=True)
        ]
        return shares(
            "token_accuracy", np.array(list(map(sum, scored)), float), np.array(list(map(len, scored)), float)
        )
