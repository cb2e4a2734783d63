"""Tokenizers from scratch, and tasks over rows written in a test."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from datasets import Dataset
from transformers import BertConfig, PreTrainedConfig, T5Config

from finetune import models, recipe, tasks
from finetune.data import LoadedData

TEXTS = ["the red dog sees a green house.", "extraordinarily unbelievable things", "der rote hund sieht ein haus"]

Make = Callable[..., tuple[Any, tasks.TaskContext]]


def make_task(
    config: recipe.TaskSection,
    architecture: str = "bert",
    labels: tuple[str, ...] | None = None,
    columns: dict[str, str] | None = None,
) -> tuple[Any, tasks.TaskContext]:
    """A task with the context it needs, no weights."""
    model = recipe.Model(scratch=recipe.Scratch(architecture=cast(Any, architecture), size="tiny", vocab_size=120))
    tokenizer = models.load_tokenizer(model, lambda: TEXTS)
    model_config: PreTrainedConfig = BertConfig() if architecture == "bert" else T5Config()
    start = tokenizer.cls_token_id if architecture == "bert" else tokenizer.pad_token_id
    model_config.decoder_start_token_id = start
    data = recipe.Data(path="unread.csv", columns=recipe.ColumnNames(**(columns or {})))
    task = tasks.create(recipe.Recipe(task=config, model=model, data=data))
    return task, tasks.TaskContext(tokenizer, model_config, labels)


@pytest.fixture
def make() -> Make:
    return make_task


@pytest.fixture
def load() -> Callable[[dict[str, list[Any]], dict[str, tuple[str, ...]]], LoadedData]:
    def loaded(columns: dict[str, list[Any]], labels: dict[str, tuple[str, ...]]) -> LoadedData:
        split = Dataset.from_dict(columns | {"id": list(range(len(next(iter(columns.values())))))})
        return LoadedData(split, split, split, labels, ())

    return loaded
