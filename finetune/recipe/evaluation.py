"""The recipe's `evaluation`: how models are scored."""

from typing import Self

from pydantic import model_validator

from finetune.recipe.base import Count, Section


class Evaluation(Section):
    """How models are scored."""

    metrics: tuple[str, ...] | None = None
    """The names of metrics, finetune's own or the Hub's. The default is the metrics of the task."""
    tokens_per_batch: Count | None = 4096
    """The largest number of tokens in one forward pass of one process. Source and target tokens count together, padding
    does not. null sets no limit, and needs batch_size."""
    batch_size: Count | None = None
    """The largest number of examples in one forward pass of one process. By default tokens_per_batch is the only
    limit."""
    baselines: bool = False
    """Whether simple baselines are scored on the same splits: the majority class, and TF-IDF with logistic regression.
    For text classification with one class a text."""

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.tokens_per_batch is None and self.batch_size is None:
            raise ValueError("one of tokens_per_batch and batch_size is needed")
        return self
