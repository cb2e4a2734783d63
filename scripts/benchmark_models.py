"""Models and data of the benchmarks: random weights, and texts with the lengths of real sentences.

They are written to a folder, from which finetune and transformers' Trainer load the same weights and the same texts.
"""

import json
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
from scripts.workload import MAX_LENGTH, lengths, target_length

HELD_OUT = 32
"""Number of examples in the dev and test splits, which the benchmarks do not use."""


@dataclass(frozen=True)
class Shape:
    """A model, and the lengths of its inputs.

    Args:
        title: Name of the model in tables.
        config: Configuration of the model.
        mean_length: Mean number of tokens of an input. The numbers have a lognormal distribution, like those of SST-2
            (mean 24) and WMT (mean 28).
    """

    title: str
    config: BertConfig | T5Config
    mean_length: float

    @property
    def is_t5(self) -> bool:
        """Whether the model generates text; otherwise it classifies texts into two classes."""
        return isinstance(self.config, T5Config)

    @property
    def auto_class(self) -> Any:
        """The class of transformers that loads the model."""
        return AutoModelForSeq2SeqLM if self.is_t5 else AutoModelForSequenceClassification


def shape(name: str, *, quick: bool = False) -> Shape:
    """Return the shape `minilm`, `base` or `t5`, or with `quick` a tiny one of the same family, for tests."""
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
    """Return a recipe that trains the model which `write` has written on its data."""
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
    """Return a tokenizer with one token per word: w0, w1 and so on."""
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
    """Return a random text of `length` tokens, including special tokens."""
    special = 1 if shape.is_t5 else 2
    words = generator.integers(0, shape.config.vocab_size - len(BERT_TOKENS), length - special)
    return " ".join(f"w{number}" for number in words)


def _labelled(generator: np.random.Generator, shape: Shape, count: int) -> list[dict[str, str]]:
    return [
        {"text": _text(generator, shape, length), "label": f"LABEL_{number % 2}"}
        for number, length in enumerate(lengths(generator, count, shape.mean_length))
    ]


def _pairs(generator: np.random.Generator, shape: Shape, count: int) -> list[dict[str, str]]:
    """Return random pairs of source and target."""
    rows = []
    for length in lengths(generator, count, shape.mean_length):
        of_target = target_length(generator, length)
        rows.append({"source": _text(generator, shape, length), "target": _text(generator, shape, of_target)})
    return rows
