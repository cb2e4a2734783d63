"""Lengths in tokens, before anything is cut."""

from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from finetune import recipe, tasks
from finetune.checking import lengths as lengths_module
from finetune.checking.lengths import Lengths, measure
from finetune.models import load_tokenizer


def test_percentiles_are_lengths_that_occur() -> None:
    tokens = np.array([1, 2, 3, 100])
    lengths = Lengths("train", "task.max_length", 3, tokens, num_examples=4)
    assert set(lengths.percentiles) <= set(tokens.tolist())
    assert (lengths.percentiles[0], lengths.percentiles[-1]) == (1, 100)
    assert lengths.share_beyond == 1 / 4


@pytest.mark.parametrize("most", [3, 100])
def test_lengths_are_those_of_the_tokenizer_before_texts_are_cut(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths_module, "_MOST", most)
    monkeypatch.setattr(lengths_module, "_BATCH", 2)
    model = recipe.Model(scratch=recipe.Scratch(architecture="t5", size="tiny", vocab_size=120))
    section = recipe.TextToText(prefix="say: ", max_source_length=6, max_target_length=5)
    task = tasks.create(recipe.Recipe(task=section, model=model, data=recipe.Data(path="unread.csv")))
    rows: dict[str, Any] = {"source": ["a", "a b", "a b c", "a b c d", "a b c d e"], "target": ["x"] * 5}
    tokenizer = load_tokenizer(model, lambda: [*rows["source"], *rows["target"], "say: "])
    inputs, outputs = measure(task, "train", Dataset.from_dict(rows), tokenizer)
    whole = [len(ids) for ids in tokenizer([f"say: {text}" for text in rows["source"]])["input_ids"]]
    assert inputs.tokens.tolist() == (whole if most > 5 else whole[::2])
    assert (inputs.key, inputs.limit, outputs.key) == ("task.max_source_length", 6, "task.max_target_length")
    assert inputs.is_sample is (most < 5)
    assert max(whole) > 6
