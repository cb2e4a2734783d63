"""Tiny models of both families: a recipe section for one from scratch, and a folder as if pretrained."""

import argparse
import calendar
import decimal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from finetune import recipe
from finetune.models import Head, load_tokenizer
from finetune.models.quiet import quiet, seeded
from finetune.models.scratch import scratch_config

Section = Callable[..., recipe.Model]
Inputs = Callable[[PreTrainedTokenizerBase], dict[str, Tensor]]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    documents = [module.__doc__ or "" for module in (argparse, calendar, decimal)]
    return [
        *documents,
        "Zwei junge, weiße Männer sind im Freien – in der Nähe vieler Büsche!",  # noqa: RUF001
        "Ein junger Mann in einer schwarz-gelben Jacke (sie gehört McDonald's) blickt etwas an.",
        "我爱你。他说：“今天天气很好！”",  # noqa: RUF001
        "%(count)d of 1,234.5 files (12 %) moved to C:\\temp?",
        "two  spaces, and\ta tab",
    ]


@pytest.fixture(params=["bert", "t5"])
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["text_classification", "token_classification", "text_to_text"])
def head(request: pytest.FixtureRequest) -> Head:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def labels(head: Head) -> tuple[str, ...] | None:
    return None if head == "text_to_text" else ("bad", "fair", "good")


@pytest.fixture(scope="session")
def section() -> Section:
    def make(architecture: str, **scratch: Any) -> recipe.Model:
        tiny = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "intermediate_size": 64, "vocab_size": 400}
        return recipe.Model(scratch=recipe.Scratch.model_validate({"architecture": architecture} | tiny | scratch))

    return make


@pytest.fixture(scope="session")
def tokenizers(section: Section, texts: list[str]) -> dict[str, PreTrainedTokenizerFast]:
    return {architecture: load_tokenizer(section(architecture), lambda: texts) for architecture in ("bert", "t5")}


@pytest.fixture
def tokenizer(architecture: str, tokenizers: dict[str, PreTrainedTokenizerFast]) -> PreTrainedTokenizerFast:
    return tokenizers[architecture]


@pytest.fixture(scope="session")
def folders(
    section: Section, tokenizers: dict[str, PreTrainedTokenizerFast], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    return {name: _save_body(section(name), tokenizers[name], tmp_path_factory.mktemp(name)) for name in tokenizers}


def _save_body(model: recipe.Model, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    assert model.scratch is not None
    with quiet(), seeded(0):
        config = scratch_config(model.scratch, "text_classification", tokenizer)
        body = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        body.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def pretrained(architecture: str, folders: dict[str, Path]) -> recipe.Model:
    return recipe.Model(name=str(folders[architecture]))


@pytest.fixture
def batch(head: Head, texts: list[str]) -> Inputs:
    """Two inputs with random targets, as a task would give them to the model."""

    def make(tokenizer: PreTrainedTokenizerBase) -> dict[str, Tensor]:
        inputs = dict(tokenizer(texts[3:5], padding=True, return_tensors="pt"))
        shape = {"text_classification": (2,), "token_classification": inputs["input_ids"].shape}.get(head, (2, 7))
        with seeded(0):
            high = len(tokenizer) if head == "text_to_text" else 3
            return inputs | {"labels": torch.randint(high, shape)}

    return make


@pytest.fixture(scope="session")
def same_weights() -> Callable[[PreTrainedModel, PreTrainedModel], bool]:
    def same(one: PreTrainedModel, other: PreTrainedModel) -> bool:
        weights: Sequence[dict[str, Tensor]] = [one.state_dict(), other.state_dict()]
        return weights[0].keys() == weights[1].keys() and all(
            torch.equal(weight, weights[1][name]) for name, weight in weights[0].items()
        )

    return same
