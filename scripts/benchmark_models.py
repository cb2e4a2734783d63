"""What the benchmarks train and translate: models with random weights, and texts with the lengths of real sentences.

Everything is written to a folder, from which the toolkit and its peers load the same weights and the same texts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    BertConfig,
    PreTrainedTokenizerFast,
    T5Config,
)

from finetune.models.scratch_tokenizer import BERT_TOKENS, T5_TOKENS
from finetune.recipe import Data, Model, Recipe, TextClassification, TextToText, Training

MAX_LENGTH = 128
"""Tokens at which inputs and outputs are cut, as in the usual examples; the width that (a) pads to."""
HELD_OUT = 32
"""Examples of a split that is not to be worked on."""


@dataclass(frozen=True)
class Shape:
    """A model and the lengths of what it reads.

    Args:
        title: What the tables call it.
        config: The model.
        mean_length: Tokens of an input on average. They are distributed lognormally, as those of SST-2 (mean 24) and
            WMT (mean 28) are.
    """

    title: str
    config: BertConfig | T5Config
    mean_length: float

    @property
    def is_t5(self) -> bool:
        """Whether it writes texts; it tells two classes apart otherwise."""
        return isinstance(self.config, T5Config)

    @property
    def auto_class(self) -> Any:
        """What transformers loads it with."""
        return AutoModelForSeq2SeqLM if self.is_t5 else AutoModelForSequenceClassification


def shape(name: str, *, quick: bool = False) -> Shape:
    """The model `minilm`, `base` or `t5`; a tiny one of the same family where it is only to be seen to run."""
    if name == "t5":
        tiny = T5Config(vocab_size=200, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
        t5 = tiny if quick else T5Config()
        t5.decoder_start_token_id = t5.pad_token_id  # as the published models have it
        return Shape("T5-small size, text to text", t5, 28)
    mini = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    tiny_bert = BertConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    title, config = {"minilm": ("MiniLM size (6 x 384)", mini), "base": ("BERT-base size", BertConfig())}[name]
    return Shape(f"{title}, text classification", tiny_bert if quick else config, 24)


def lengths(generator: np.random.Generator, count: int, mean: float) -> list[int]:
    """Tokens of each text, between 4 and MAX_LENGTH."""
    deviation = 0.55
    drawn = generator.lognormal(np.log(mean) - deviation**2 / 2, deviation, count)
    return [int(length) for length in drawn.round().clip(4, MAX_LENGTH)]


def write(shape: Shape, folder: Path, examples: int, *, test: int = HELD_OUT, seed: int = 0) -> None:
    """Write `model/` (weights and tokenizer) and `data/` (train, dev and test as JSON lines) into a folder."""
    torch.manual_seed(seed)
    shape.auto_class.from_config(shape.config).save_pretrained(folder / "model")
    tokenizer(shape).save_pretrained(str(folder / "model"))
    generator = np.random.default_rng(seed)
    (folder / "data").mkdir()
    for split, count in {"train": examples, "dev": HELD_OUT, "test": test}.items():
        rows = _pairs(generator, shape, count) if shape.is_t5 else _labelled(generator, shape, count)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / f"{split}.jsonl").write_text(lines, encoding="utf-8")


def recipe(shape: Shape, folder: Path, training: Training) -> Recipe:
    """The run that trains what `write` has written."""
    task = (
        TextToText(max_source_length=MAX_LENGTH, max_target_length=MAX_LENGTH)
        if shape.is_t5
        else TextClassification(max_length=MAX_LENGTH)
    )
    return Recipe(
        name="benchmark",
        task=task,
        model=Model(name=str(folder / "model")),
        data=Data(path=str(folder / "data")),
        training=training,
        output_dir=folder / "runs",
    )


def tokenizer(shape: Shape) -> PreTrainedTokenizerFast:
    """One token for each word between spaces: w0, w1 and so on."""
    special = T5_TOKENS if shape.is_t5 else BERT_TOKENS
    words = [f"w{number}" for number in range(shape.config.vocab_size - len(special))]
    vocabulary = {token: number for number, token in enumerate([*special.values(), *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=special["unk_token"]))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    around = "$A </s>" if shape.is_t5 else "[CLS] $A [SEP]"
    named = [(token, vocabulary[token]) for token in special.values()]
    made.post_processor = processors.TemplateProcessing(single=around, special_tokens=named)
    inputs = ["input_ids", "attention_mask"] if shape.is_t5 else ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, model_input_names=inputs, **special
    )


def _text(generator: np.random.Generator, shape: Shape, length: int) -> str:
    """A text of `length` tokens, special ones among them."""
    special = 1 if shape.is_t5 else 2
    words = generator.integers(0, shape.config.vocab_size - len(BERT_TOKENS), length - special)
    return " ".join(f"w{number}" for number in words)


def _labelled(generator: np.random.Generator, shape: Shape, count: int) -> list[dict[str, str]]:
    return [
        {"text": _text(generator, shape, length), "label": f"LABEL_{number % 2}"}
        for number, length in enumerate(lengths(generator, count, shape.mean_length))
    ]


def _pairs(generator: np.random.Generator, shape: Shape, count: int) -> list[dict[str, str]]:
    """Targets are about as long as their sources, one in six more than a fifth longer."""
    rows = []
    for length in lengths(generator, count, shape.mean_length):
        of_target = int(np.clip(round(length * generator.lognormal(0.0, 0.2)), 4, MAX_LENGTH))
        rows.append({"source": _text(generator, shape, length), "target": _text(generator, shape, of_target)})
    return rows


def training_work(config: BertConfig | T5Config, sources: Sequence[int], targets: Sequence[int]) -> int:
    """Floating-point operations that the matrix products of a training step need: none for padding or masked pairs.

    The backward pass takes twice as many as the forward pass.

    Args:
        config: The model.
        sources: Tokens of each input.
        targets: Tokens of each output of T5.
    """
    forward = (
        _t5_products(config, sources, targets) if isinstance(config, T5Config) else _bert_products(config, sources)
    )
    return 3 * 2 * forward


def _bert_products(config: BertConfig, sources: Sequence[int]) -> int:
    """Multiplications of a forward pass."""
    width: int = config.hidden_size
    layer = sum(sources) * (4 * width**2 + 2 * width * config.intermediate_size)
    attention = 2 * width * sum(length**2 for length in sources)
    head = len(sources) * width * (width + (config.num_labels or 0))
    return int(config.num_hidden_layers * (layer + attention) + head)


def _t5_products(config: T5Config, sources: Sequence[int], targets: Sequence[int]) -> int:
    """Multiplications of a forward pass."""
    inner = config.num_heads * config.d_kv
    projection, feed_forward = config.d_model * inner, 2 * config.d_model * config.d_ff
    pairs = sum(length**2 for length in sources)
    pairs += sum(length * (length + 1) // 2 for length in targets)
    pairs += sum(source * target for source, target in zip(sources, targets, strict=True))
    encoder = sum(sources) * (4 * projection + feed_forward)
    decoder = sum(targets) * (6 * projection + feed_forward) + sum(sources) * 2 * projection
    layers = config.num_layers * (encoder + decoder + 2 * inner * pairs)
    head = sum(targets) * config.d_model * (config.vocab_size or 0)
    return int(layers + head)
