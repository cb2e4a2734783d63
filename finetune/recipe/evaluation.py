"""The recipe's `evaluation`: how models are scored."""

from typing import Self

from pydantic import PositiveInt, model_validator

from finetune.recipe.base import Section


class Evaluation(Section):
    """How models are scored."""

    metrics: tuple[str, ...] | None = None
    """Names of our own metrics or of Hub metrics; the task's own where not given."""
    tokens_per_batch: PositiveInt | None = 4096
    """Most tokens, without padding, source and target together, in one forward pass of one process."""
    batch_size: PositiveInt | None = None
    """Most examples in one forward pass of one process, where that is fewer."""
    baselines: bool = False
    """Score simple baselines beside the model on the same splits (text classification: the majority class, and
    TF-IDF with logistic regression)."""

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.tokens_per_batch is None and self.batch_size is None:
            raise ValueError("one of tokens_per_batch and batch_size is needed")
        return self
