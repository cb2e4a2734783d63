"""`OfflineMetric`: what our `evaluate.Metric` modules share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import evaluate
from datasets import Features, List, Value

from finetune.metrics.inputs import check_counts, check_elements, check_lengths, check_sequences, check_some
from finetune.metrics.scores import DEFAULT_OPTIONS, MetricOptions, Scores

_STORED: dict[type, str] = {Integral: "int64", Real: "float64"}


class OfflineMetric(evaluate.Metric, ABC):  # type: ignore[misc, unused-ignore]
    """An `evaluate.Metric` that touches neither network nor disk, so that processes side by side cannot clash.

    `add`, `add_batch` and `compute` are evaluate's own. A subclass says what an example is and computes.
    """

    element: ClassVar[type] = str
    """What a label, text (str), token id (Integral) or number (Real) is."""
    sequences: ClassVar[bool] = False
    """Whether an example is a list of elements."""
    aligned: ClassVar[bool] = True
    """Whether such a list is as long in the prediction as in the reference."""

    def __init__(self, options: MetricOptions = DEFAULT_OPTIONS) -> None:
        self.options = options
        super().__init__(keep_in_memory=True)

    @abstractmethod
    def measure(self, predictions: list[Any], references: list[Any]) -> Scores:
        """Score all examples, of which there is at least one."""

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """Return the result of `compute` as `Scores`."""
        result = self.compute(predictions=predictions, references=references)
        return Scores(details=result.pop("details"), signatures=result.pop("signatures"), values=result)

    def add_batch(self, *, predictions: Sequence[Any], references: Sequence[Any]) -> None:
        """Check and add examples; evaluate checks the first alone, and converts others of a wrong type to text."""
        check_counts(predictions, references)
        check = check_sequences if self.sequences else check_elements
        check(self.name, predictions, self.element)
        check(self.name, references, self.element)
        if self.sequences and self.aligned:
            check_lengths(predictions, references)
        super().add_batch(predictions=predictions, references=references)

    def _compute(self, predictions: list[Any], references: list[Any]) -> dict[str, Any]:
        check_some(references)
        scores = self.measure(predictions, references)
        return {**scores.values, "details": scores.details, "signatures": scores.signatures}

    def _info(self) -> evaluate.MetricInfo:
        element = Value(_STORED.get(self.element, "string"))
        example = List(element) if self.sequences else element
        features = Features({"predictions": example, "references": example})
        return evaluate.MetricInfo(description=self.__doc__ or "", citation="", features=features)

    def _build_data_dir(self) -> str:
        # evaluate makes a cache folder even for a metric kept in memory, and so fails where HOME is read-only.
        return ""
