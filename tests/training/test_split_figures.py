"""The figures of the data in results.json are those of the rows."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.recipe import Recipe
from finetune.training.run import prepare
from finetune.training.split_figures import padding_figures, split_figures

Toy = Callable[..., Recipe]


@pytest.mark.parametrize("kind", ["text_classification", "token_classification", "text_to_text"])
def test_sizes_lengths_and_labels(kind: str, toy: Toy) -> None:
    recipe = toy(kind, "t5" if kind == "text_to_text" else "bert", train=50, held_out=20)
    run = prepare(recipe)
    figures = split_figures(run)
    rows = [json.loads(line) for line in (Path(str(recipe.data.path)) / "train.jsonl").read_text().splitlines()]
    lengths = run.encoded["train"].lengths
    assert [figures[split]["examples"] for split in ("train", "dev", "test")] == [50, 20, 20]
    assert figures["train"]["tokens"]["total"] == lengths.sum()
    assert figures["train"]["tokens"]["longest"] == lengths.max()
    labels = {
        "text_classification": [row.get("label") for row in rows],
        "token_classification": [label for row in rows for label in row.get("labels", [])],
        "text_to_text": [],
    }[kind]
    assert figures["train"]["labels"] == Counter(labels)
    json.dumps(figures, allow_nan=False)


def test_cut_texts_are_counted(toy: Toy) -> None:
    whole = split_figures(prepare(toy("text_classification", "bert", train=30, held_out=10)))
    short = toy("text_classification", "bert", train=30, held_out=10, **{"task.max_length": 6})
    cut = split_figures(prepare(short))
    assert whole["train"]["cut"] == 0
    assert 0 < cut["train"]["cut"] <= 30
    assert cut["train"]["tokens"]["longest"] == 6


def test_padding_is_what_rows_of_the_longest_would_add(toy: Toy) -> None:
    run = prepare(toy("text_classification", "bert", train=50, held_out=10))
    figures = padding_figures(run)
    lengths = run.encoded["train"].lengths
    assert figures["tokens"] == lengths.sum()
    assert figures["padded_tokens"] >= figures["tokens"]
    assert figures["ragged"]
    assert figures["first_batch"] == lengths[run.plan.epoch(0)[0]].tolist()
