"""The recipe's `evaluation`: how models are scored."""

from typing import Self

from pydantic import field_validator, model_validator

from finetune.recipe.base import Count, Section

LENGTH, LABEL = "length", "label"
"""The slices that need no column."""


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
    slices: tuple[str, ...] = ()
    """By what the final scores are told apart: length (quartiles of the number of characters of the input, or of words
    where inputs are lists of words), label (the class of the reference), or a column of the data set (its values). Each
    slice has its count and its score by best_metric, with an interval."""
    baselines: bool = False
    """Whether simple baselines are scored on the same splits: the majority class, and TF-IDF with logistic regression.
    For text classification with one class a text."""

    @property
    def slice_columns(self) -> tuple[str, ...]:
        """The columns of the data set among the slices."""
        return tuple(name for name in self.slices if name not in (LENGTH, LABEL))

    @field_validator("slices")
    @classmethod
    def _each_slice_once(cls, slices: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(slices)) < len(slices):
            raise ValueError("name each of them once")
        if not all(name.strip() for name in slices):
            raise ValueError("one of them is empty; name length, label or a column")
        return slices

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.tokens_per_batch is None and self.batch_size is None:
            raise ValueError("one of tokens_per_batch and batch_size is needed")
        return self
