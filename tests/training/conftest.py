"""Small learnable data sets, and runs on them."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from finetune.compose import override
from finetune.recipe import (
    Data,
    Model,
    Recipe,
    Scratch,
    TaskSection,
    TextClassification,
    TextToText,
    TokenClassification,
    Training,
)

COLOURS = {"red": "rot", "green": "gruen", "blue": "blau", "black": "schwarz", "white": "weiss", "grey": "grau"}
THINGS = {"dog": "hund", "cat": "katze", "house": "haus", "tree": "baum", "car": "auto", "ball": "ball"}
FILLER = ["the", "a", "film", "was", "very", "this", "story", "so", "and", "it"]

Rows = list[dict[str, Any]]


def sentiment_rows(generator: random.Random, count: int) -> Rows:
    """Filler with one telling word somewhere."""
    rows: Rows = []
    for _ in range(count):
        label = generator.choice(["good", "bad"])
        telling = {"good": ["great", "fine", "lovely"], "bad": ["awful", "dull", "poor"]}[label]
        words = generator.choices(FILLER, k=generator.randint(3, 9))
        words.insert(generator.randrange(len(words) + 1), generator.choice(telling))
        rows.append({"text": " ".join(words), "label": label})
    return rows


def entity_rows(generator: random.Random, count: int) -> Rows:
    """Colours followed by things are entities of two words; things alone are of one; colours alone are none."""
    rows: Rows = []
    for _ in range(count):
        tokens: list[str] = []
        labels: list[str] = []
        for _ in range(generator.randint(1, 6)):
            kind = generator.choice(["word", "colour", "thing", "both"])
            if kind == "word":
                tokens, labels = [*tokens, generator.choice(FILLER)], [*labels, "O"]
            elif kind == "colour":
                tokens, labels = [*tokens, generator.choice([*COLOURS]), "and"], [*labels, "O", "O"]
            elif kind == "thing":
                tokens, labels = [*tokens, generator.choice([*THINGS])], [*labels, "B-THING"]
            else:
                tokens = [*tokens, generator.choice([*COLOURS]), generator.choice([*THINGS])]
                labels = [*labels, "B-THING", "I-THING"]
        rows.append({"tokens": tokens, "labels": labels})
    return rows


def translation_rows(generator: random.Random, count: int) -> Rows:
    """Two coloured things, in the other language and with the colour after the thing."""
    rows: Rows = []
    for _ in range(count):
        pairs = [(generator.choice([*COLOURS]), generator.choice([*THINGS])) for _ in range(2)]
        source = " ".join(f"{colour} {thing}" for colour, thing in pairs)
        target = " ".join(f"{THINGS[thing]} {COLOURS[colour]}" for colour, thing in pairs)
        rows.append({"source": source, "target": target})
    return rows


TASKS: Mapping[str, tuple[Callable[[random.Random, int], Rows], TaskSection]] = {
    "text_classification": (sentiment_rows, TextClassification(max_length=32)),
    "token_classification": (entity_rows, TokenClassification(max_length=32, stride=4)),
    "text_to_text": (translation_rows, TextToText(max_source_length=16, max_target_length=16, num_beams=2)),
}


def write_rows(folder: Path, kind: str, sizes: Mapping[str, int], seed: int = 0) -> Path:
    """Write splits as JSON lines; gives the folder."""
    generator = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in sizes.items():
        rows = TASKS[kind][0](generator, size)
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe over a small learnable data set: toy("text_classification", "t5", **{"training.epochs": 1})."""

    def make(kind: str, architecture: str, *, train: int = 400, held_out: int = 60, **overrides: Any) -> Recipe:
        sizes = {"train": train, "dev": held_out, "test": held_out}
        recipe = Recipe(
            name="toy",
            task=TASKS[kind][1],
            model=Model(scratch=Scratch(architecture=architecture, size="tiny", vocab_size=200)),
            data=Data(path=str(write_rows(tmp_path / "data", kind, sizes))),
            training=Training(epochs=3, batch_size=16, learning_rate=2e-3, warmup=0.1, precision="fp32"),
            output_dir=tmp_path / "runs",
        )
        return override(recipe, overrides)

    return make
