"""Every task by every family, pretrained and from random weights, with and without masks: from the recipe to answers.

Each cell is checked, trained for two steps, evaluated, saved, loaded and asked for the test split's answers again.
What a cell does not have is refused.
"""

import json
import random
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    EncoderDecoderModel,
    T5Config,
    T5ForConditionalGeneration,
)

import finetune
from finetune.attention.program import SITES
from finetune.checking import check_recipe
from finetune.errors import UserError
from finetune.models import load_tokenizer
from finetune.recipe import Attention, Data, Model, Recipe, Scratch, TaskSection, Training, Translation
from finetune.run import run_recipe
from finetune.serve import Input, Output, predict_file
from finetune.training.run import prepare
from tests.training.conftest import TASKS, write_rows

TINY = {"size": "tiny", "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "vocab_size": 200}
TRANSLATION = Translation(source="source", target="target", max_source_length=16, max_target_length=16, num_beams=2)
ENCODER: dict[str, Any] = {"encoder": {"mask": "window(2) | global_tokens(0)", "layers": {"-1": "window(3)"}}}
BOTH = ENCODER | {"decoder": "window(3)", "cross": "window(4) | global_tokens(0)"}
MASKS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("text_classification", "bert"): ENCODER,
    ("text_classification", "t5"): BOTH,
    ("token_classification", "bert"): ENCODER,
    ("token_classification", "t5"): ENCODER,
    ("text_to_text", "bert"): BOTH,
    ("text_to_text", "t5"): BOTH,
    ("translation", "bert"): BOTH,
    ("translation", "t5"): BOTH,
}
"""Masks at each site that a cell has."""

Start = Literal["scratch", "pretrained", "pair", "sample"]
"""Random weights; a folder that transformers saved; one of two BERTs put together; and the sample model."""
OF_START = {
    "pair": [("text_to_text", "bert"), ("translation", "bert")],
    "sample": [cell for cell in MASKS if cell[1] == "bert"],
}
"""The cells that a start is for; others are for all."""


def cells() -> list[Any]:
    """All of them; those that start from the sample model need it."""
    found = product(MASKS, ("scratch", "pretrained", "pair", "sample"), (True, False))
    return [
        pytest.param(*cell, start, masked, marks=[pytest.mark.network] if start == "sample" else [])
        for cell, start, masked in found
        if cell in OF_START.get(start, MASKS)
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Models of each family as transformers saves them, with their tokenizers."""
    return {kind: _save(kind, tmp_path_factory.mktemp(kind)) for kind in ("bert", "t5", "pair", "distilbert")}


def _save(kind: str, folder: Path) -> Path:
    rows = [row for rows, _ in TASKS.values() for row in rows(random.Random(0), 50)]
    texts = [value for row in rows for value in row.values() if isinstance(value, str)]
    scratch = Scratch.model_validate(TINY | {"architecture": "t5" if kind == "t5" else "bert"})
    tokenizer = load_tokenizer(Model(scratch=scratch), lambda: texts)
    tokenizer.save_pretrained(folder)
    size = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    if kind == "t5":
        known = {"eos_token_id": tokenizer.eos_token_id, "decoder_start_token_id": tokenizer.pad_token_id}
        t5 = T5Config(d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, **size, **known)
        T5ForConditionalGeneration(t5).save_pretrained(folder)
    elif kind in ("bert", "pair"):
        bert = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **size)
        BertModel(bert).save_pretrained(folder)
        if kind == "pair":
            EncoderDecoderModel.from_encoder_decoder_pretrained(str(folder), str(folder)).save_pretrained(folder)
    else:
        DistilBertModel(DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, **size)).save_pretrained(folder)
    return folder


def recipe_of(task: str, model: Model, masks: Mapping[str, Any], folder: Path) -> Recipe:
    kind: str = "text_to_text" if task == "translation" else task
    chosen: TaskSection = TRANSLATION if task == "translation" else TASKS[kind][1]
    return Recipe(
        name="cell",
        task=chosen,
        model=model,
        attention=Attention.model_validate(masks),
        data=Data(path=str(write_rows(folder / "data", kind, {"train": 32, "dev": 4, "test": 6}))),
        training=Training(steps=2, batch_size=8, learning_rate=1e-3, precision="fp32"),
        output_dir=folder / "runs",
    )


def model_of(start: Start, family: str, folders: Mapping[str, Path]) -> Model:
    if start == "scratch":
        return Model(scratch=Scratch.model_validate(TINY | {"architecture": family}))
    return (
        Model(sample="minilm") if start == "sample" else Model(name=str(folders["pair" if start == "pair" else family]))
    )


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("task", "family", "start", "masked"), cells())
def test_a_cell(
    task: str, family: str, start: Start, masked: bool, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    masks = MASKS[task, family] if masked else {}
    recipe = recipe_of(task, model_of(start, family, folders), masks, tmp_path)
    assert check_recipe(recipe).errors == []
    assert run_recipe(recipe)["loss"] > 0
    (made,) = (tmp_path / "runs" / "cell").iterdir()
    loaded = finetune.load(made)
    assert loaded.masks == recipe.attention.program
    assert loaded.masks.is_standard != masked
    predict_file(str(made), Input(tmp_path / "data" / "test.jsonl"), Output(tmp_path / "answers.jsonl"), scores=True)
    answers, expected = read(tmp_path / "answers.jsonl"), read(made / "predictions_test.jsonl")
    assert [one["prediction"] for one in answers] == [one["prediction"] for one in expected]
    for answer, record in zip(answers, expected, strict=True):
        if task == "text_classification":
            assert answer["probabilities"] == pytest.approx(record["probabilities"], abs=1e-5)


@pytest.mark.parametrize(
    ("task", "family", "site"),
    [(*cell, site) for cell, masks in MASKS.items() for site in SITES if site not in masks],
)
@pytest.mark.parametrize("start", ["scratch", "pretrained"])
def test_masks_at_a_site_that_a_cell_lacks_are_refused(
    task: str, family: str, start: Start, site: str, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    recipe = recipe_of(task, model_of(start, family, folders), {site: "window(3)"}, tmp_path)
    with pytest.raises(UserError, match=rf"the program has a mask for {site}, but \w+ has only encoder"):
        prepare(recipe)


@pytest.mark.parametrize("task", ["text_to_text", "translation"])
def test_text_from_an_encoder_that_cannot_be_a_decoder_is_refused(
    task: str, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    recipe = recipe_of(task, Model(name=str(folders["distilbert"])), {}, tmp_path)
    with pytest.raises(UserError, match="'distilbert' cannot be fine-tuned for text_to_text here"):
        prepare(recipe)
