"""The recipe's `data`: where examples come from, and how they are split."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from finetune.recipe.base import LARGEST_COUNT, InnerShare, Positive, Section, Seed, in_range, is_amount


class ColumnNames(Section):
    """The names of the data set's columns that a task reads. A dot names a nested column (translation.de)."""

    text: str = "text"
    """Text classification: the column of the text."""
    text_pair: str | None = None
    """Text classification: the column of the second text of a pair. By default inputs are single texts."""
    label: str | Annotated[tuple[str, ...], Field(min_length=2)] = "label"
    """Text classification: the column of the class, by name or number. A list of columns that hold 0 and 1 makes each
    of them a label: [toxic, insult]."""
    tokens: str = "tokens"
    """Token classification: the column of the words, a list in each row."""
    labels: str = "labels"
    """Token classification: the column of the labels, one for each word."""
    sentence: str | None = None
    """Token classification of files with one word in each row: the column that names the row's sentence, in each row or
    in the first row of a sentence alone. By default each row is a sentence."""
    source: str | None = None
    """Text to text: the column of the input. The default is source; for translation, the source language."""
    target: str | None = None
    """Text to text: the column of the output. The default is target; for translation, the target language."""


class SplitNames(Section):
    """The names of the splits of a data set on the Hub. A split whose name is null is cut from train."""

    train: str = "train"
    """The name of the train split."""
    dev: str | None = "validation"
    """The name of the dev split."""
    test: str | None = "test"
    """The name of the test split."""


Paths = str | tuple[str, ...]
"""A file or a pattern (news/*.csv), or several of them."""

Amount = Annotated[
    float,
    in_range(f"a whole number of examples from 1 to {LARGEST_COUNT:,}, or a share above 0 and below 1", is_amount),
    AfterValidator(lambda value: value if value < 1 else int(value)),
]
"""A number of examples, or below 1 a share of them."""


_SAMPLES = ("sentiment", "address", "interface", "licence")
"""The data sets that finetune brings, which messages call by these names with `_sample` at the end."""


class DataSource(Section):
    """Where rows are read from, and which of them are kept."""

    function: str | None = None
    """A Python function that returns the rows: path/to/mine.py:load, package.module:load, or the name of an entry point
    of the group finetune.data. It is called with train, dev and test in turn, and returns dictionaries (a list or a
    generator), a DataFrame or a datasets.Dataset, or None where there is no such split. A function whose second
    argument is `columns` is also given the names of the columns that are read. It takes precedence over `path`, `name`
    and `sample`."""
    path: Paths | None = None
    """A file, a folder that holds train, dev and test files, or the common start of line-aligned files
    (path=data/train for data/train.en and data/train.de). A pattern (news/*.csv) or a list of files is read as one. It
    takes precedence over `name` and `sample`."""
    dev_path: Paths | None = None
    """The file or files of the dev split. By default the dev split is taken from the folder `path`, or cut from
    train."""
    test_path: Paths | None = None
    """The file or files of the test split. By default the test split is taken from the folder `path`, or cut from
    train."""
    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "conll", "parallel", "tmx", "xliff"] | None = None
    """The format of the files. By default it is determined by their names."""
    encoding: str | None = None
    """The text encoding of the files; a byte order mark is skipped. By default UTF-8, UTF-16 and Windows-1252 are
    detected, with a note, and a file in any other encoding is refused."""
    delimiter: str | None = None
    """The character that separates columns (\\t is a tab). The default is comma, tab or blanks, by the format, or the
    character that the header of a table shows, with a note."""
    column_names: tuple[str, ...] | None = None
    """The names of the columns, in order, for csv, tsv and conll files without a header. By default the first row of
    csv and tsv files holds them."""
    name: str | None = None
    """The name of a data set on the Hub (stanfordnlp/sst2). It takes precedence over `sample`."""
    config: str | None = None
    """The configuration of the data set on the Hub (de-en). By default its only or default one is read."""
    revision: str = "main"
    """The branch, tag or commit of the data set on the Hub."""
    splits: SplitNames = SplitNames()
    """The names of the splits of the data set on the Hub."""
    sample: str | None = None
    """The name of a data set that an installed package brings. finetune brings sentiment, address, interface and
    licence, which are small, need no Hub, and are downloaded once from PyPI. Other packages bring theirs by entry
    points of the group finetune.data."""
    streaming: bool = False
    """Whether rows are written to the cache folder while they are read, and memory-mapped from there, for data larger
    than memory: csv, tsv, jsonl, parquet and line-aligned files, and functions. Data of the Hub are always
    memory-mapped."""
    filter: str | None = None
    """The rows of every split that are kept: an expression over columns (stars != 3 and len(review) > 20), or a Python
    function whose arguments are named like the columns that it reads (path/to/mine.py:keep). By default all rows are
    kept."""

    on_empty: Literal["refuse", "skip"] = "refuse"
    """What happens with rows that are empty in a column that is read: refuse ends the run with an error that names the
    rows, skip leaves them out with a note that counts them."""

    @property
    def description(self) -> str:
        """The rows' origin in a few words: of local files and functions only the last part of the path."""
        if self.function is not None:
            return Path(self.function).name
        if self.path is not None:
            paths = [self.path] if isinstance(self.path, str) else self.path
            return ", ".join(Path(path).name for path in paths)
        return self.name or (f"{self.sample}_sample" if self.sample in _SAMPLES else str(self.sample))

    @property
    def is_of_hub(self) -> bool:
        """Whether the rows are read from a data set on the Hub."""
        return self.function is None and self.path is None and self.name is not None

    @property
    def is_of_package(self) -> bool:
        """Whether the rows are read from a data set that an installed package brings."""
        return (self.function, self.path, self.name) == (None, None, None) and self.sample is not None

    @field_validator("function", "path", "dev_path", "test_path", "name", "sample")
    @classmethod
    def _not_empty(cls, value: Paths | None) -> Paths | None:
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; null leaves it out")
        if isinstance(value, tuple) and not all(path.strip() for path in value):
            raise ValueError("one of its paths is empty; leave it out")
        return value

    @model_validator(mode="after")
    def _paths_belong_together(self) -> Self:
        if self.path is None and (self.dev_path or self.test_path):
            raise ValueError("dev_path and test_path need path, the train file")
        return self


class MixtureSource(DataSource):
    """One of several data sets that are mixed."""

    columns: dict[str, str] = Field(default_factory=dict)
    """The names of columns that differ from those of data.columns in this source: {text: body, label: verdict}."""
    weight: Positive | None = None
    """The share of the train examples that come from this source, relative to the weights of the other sources. Weights
    are given for all sources or for none."""

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

    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "function": (),
        "path": ("dev_path", "test_path"),
        "name": (),
        "sample": (),
        "sources": (),
    }

    sources: tuple[MixtureSource, ...] = ()
    """Several data sets that are mixed: [{path: a.csv, weight: 3}, {name: owner/b, weight: 1}]. They replace the
    section's own function, path, name and sample. With weights, an epoch is so long that every train example of every
    source is read at least once in these proportions. Without weights, every train example is read once. The dev and
    test splits of all sources are joined."""
    cache_dir: Path | None = None
    """The folder in which downloads are kept. The default is the Hub's own cache folder."""
    columns: ColumnNames = ColumnNames()
    """The names of the columns that the task reads."""
    labels: tuple[str, ...] | None = None
    """The classes, in order. By default they are collected from the data."""
    dev_share: InnerShare = 0.1
    """The share of train examples that become the dev split where there is none."""
    test_share: InnerShare = 0.1
    """The share of train examples that become the test split where there is none."""
    split_seed: Seed = 0
    """The seed by which dev and test are cut from train, `sources` are mixed and `subset` is drawn. It is independent
    of the run's seed, so that runs with other seeds have the same splits."""
    group_column: str | None = None
    """A column, such as an author, a document or the text itself, whose equal values stay in one split when dev or test
    are cut from train. By default rows are cut one by one."""
    max_train_examples: Amount | None = None
    """The number of train examples that are kept, or below 1 the share of them. The default is all."""
    max_dev_examples: Amount | None = None
    """The number of dev examples that are kept, or below 1 the share of them. The default is all."""
    max_test_examples: Amount | None = None
    """The number of test examples that are kept, or below 1 the share of them. The default is all."""
    subset: Literal["first", "random"] = "first"
    """Which examples max_train_examples and the like keep: the first, or random ones, drawn by split_seed and kept in
    their order."""

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
    def origins(self) -> tuple[DataSource, ...]:
        """The sources of the data: several that are mixed, or this section itself."""
        return self.sources or (self,)

    @property
    def description(self) -> str:
        return ", ".join(source.description for source in self.sources) if self.sources else super().description

    @property
    def is_of_hub(self) -> bool:
        return not self.sources and super().is_of_hub

    @property
    def is_of_package(self) -> bool:
        return not self.sources and super().is_of_package

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        given = (self.function, self.path, self.name, self.sample)
        if not self.sources and given == (None, None, None, None):
            raise ValueError("one of path, name and sample is needed, or function, or sources")
        weighted = [source for source in self.sources if source.weight is not None]
        if weighted and len(weighted) < len(self.sources):
            raise ValueError("sources: weights are given for all of them or for none")
        return self


NO_ORIGIN: Mapping[str, object] = MappingProxyType(
    {
        "data.function": None,
        "data.dev_path": None,
        "data.test_path": None,
        "data.format": None,
        "data.column_names": None,
        "data.name": None,
        "data.config": None,
        "data.sample": None,
        "data.sources": (),
    }
)
"""The keys that name the source of a recipe's data, and their values where other data are given in its place."""
