"""Entity precision, recall and F1, read from label sequences by the seqeval package.

An entity is right where its type, first word and last word are all right. `precision`, `recall` and `f1` count the
entities of all types together (micro), as the CoNLL shared tasks do; each type's own are in the details. Where
precision or recall is 0/0 (nothing predicted, or no entity in the references) it is 0.

How ill-formed sequences are read depends on the scheme:
- IOB2 (B and I): as conlleval.pl does, seqeval's default mode, since published CoNLL scores are given in it. An I
  with no B before it begins an entity.
- IOBES (E and S as well): strictly. A span counts only if it begins with B and ends with E, or is one S. The lenient
  reading would forgive every wrong E and S, the labels that the scheme was chosen for.
"""

import re
from collections.abc import Sequence
from importlib.metadata import version
from itertools import chain

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOBES, Entities

from finetune.errors import UserError
from finetune.metrics.inputs import TASKS_OWN
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Floats64, Resampler, Values, divided, from_sums
from finetune.metrics.scores import Scores

SentenceEntity = tuple[int, str, int, int]
"""Number of the example, type, and the positions of its bounds."""

_LABEL = re.compile(r"O|[BIES](-.*)?")


class Seqeval(OfflineMetric):
    """Entity precision, recall and F1, 0 to 1, over all types and for each, from IOB2 or IOBES labels."""

    sequences = True

    def measure(self, predictions: list[list[str]], references: list[list[str]]) -> Scores:
        """Score one list of labels an example, one label a word."""
        labels = {*chain(*references), *chain(*predictions), *(self.options.labels or ())}
        _check_labels(labels)
        strict = _is_strict(labels)
        predicted, expected = _entities(predictions, strict), _entities(references, strict)
        types = sorted({kind for _, kind, _, _ in predicted | expected})
        overall = _precision_recall_f1(predicted, expected)
        mode = "strict|scheme:IOBES" if strict else "conlleval|scheme:IOB2"
        return Scores(
            values={name: overall[name] for name in ("precision", "recall", "f1")},
            details={kind: _precision_recall_f1(_of_type(kind, predicted), _of_type(kind, expected)) for kind in types},
            signatures={self.name: f"average:micro|mode:{mode}|zero_division:0|version:{version('seqeval')}"},
        )

    def resampler(self, predictions: list[list[str]], references: list[list[str]]) -> Resampler:
        """Return the function from resamples to values."""
        strict = _is_strict({*chain(*references), *chain(*predictions), *(self.options.labels or ())})
        predicted, expected = _entities(predictions, strict), _entities(references, strict)
        counts = np.zeros((len(references), 3))
        for column, entities in enumerate((predicted & expected, predicted, expected)):
            np.add.at(counts[:, column], [entity[0] for entity in entities], 1)
        return from_sums(counts, _resampled)


def _resampled(sums: Floats64) -> Values:
    correct, predicted, expected = sums.T  # each [resamples]
    return {
        "precision": divided(correct, predicted),
        "recall": divided(correct, expected),
        "f1": divided(2 * correct, predicted + expected),
    }


def _is_strict(labels: set[str]) -> bool:
    return any(label[0] in "ES" for label in labels)


def _check_labels(labels: set[str]) -> None:
    wrong = sorted(label for label in labels if not _LABEL.fullmatch(label))
    if wrong:
        raise UserError(
            "seqeval scores labels that mark entities",
            expected="IOB2 or IOBES labels: O, B-PER, I-PER, E-PER, S-PER",
            found=", ".join(map(repr, wrong[:5])),
            fix=TASKS_OWN,
        )


def _entities(sequences: Sequence[list[str]], strict: bool) -> set[SentenceEntity]:
    if strict:
        return {entity.to_tuple() for entity in chain(*Entities(sequences, IOBES).entities)}
    return {(number, *entity) for number, labels in enumerate(sequences) for entity in get_entities(labels)}


def _of_type(kind: str, entities: set[SentenceEntity]) -> set[SentenceEntity]:
    return {entity for entity in entities if entity[1] == kind}


def _precision_recall_f1(predicted: set[SentenceEntity], expected: set[SentenceEntity]) -> dict[str, float]:
    correct = len(predicted & expected)
    return {
        "precision": correct / len(predicted) if predicted else 0.0,
        "recall": correct / len(expected) if expected else 0.0,
        "f1": 2 * correct / (len(predicted) + len(expected)) if correct else 0.0,
        "support": float(len(expected)),
    }
