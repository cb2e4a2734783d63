"""Finished runs of every task, made once."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.compose import override
from finetune.recipe import Data, Model, Recipe, Scratch, Training
from finetune.run import run_recipe
from finetune.serve import Input, Output, Summary, predict_file
from tests.training.conftest import TASKS, write_rows

Finished = Callable[..., Path]
Predict = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def other_tests_keep_their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")  # which predict_file sets


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The folder of a short run of a task by a family: finished("text_classification", "bert")."""
    made: dict[str, Path] = {}

    def make(kind: str, architecture: str, **overrides: Any) -> Path:
        key = repr((kind, architecture, overrides))
        if key not in made:
            folder = tmp_path_factory.mktemp("run")
            recipe = Recipe(
                name="toy",
                task=TASKS[kind][1],
                model=Model(scratch=Scratch(architecture=architecture, size="tiny", vocab_size=200)),
                data=Data(path=str(write_rows(folder / "data", kind, {"train": 48, "dev": 8, "test": 24}))),
                training=Training(epochs=1, batch_size=16, learning_rate=2e-3, precision="fp32"),
                output_dir=folder / "runs",
            )
            run_recipe(override(recipe, overrides))
            (made[key],) = (folder / "runs" / "toy").iterdir()
        return made[key]

    return make


def held_out(run_recipe: Path) -> Path:
    """The file that a run was tested on."""
    return run_recipe.parents[2] / "data" / "test.jsonl"


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def predict(tmp_path: Path) -> Predict:
    """Predictions of rows as JSON lines: predict(run, rows or a file, **options of predict_file)."""

    def rows(model: Path | str, given: list[dict[str, Any]] | Path, **options: Any) -> list[dict[str, Any]]:
        path = given if isinstance(given, Path) else tmp_path / "given.jsonl"
        if not isinstance(given, Path):
            path.write_text("".join(json.dumps(row) + "\n" for row in given))
        summary = predict_file(str(model), Input(path), Output(tmp_path / "answers.jsonl"), **options)
        answers = read_jsonl(tmp_path / "answers.jsonl")
        bad = sum("error" in answer for answer in answers)
        assert summary == Summary(len(answers), bad)
        return answers

    return rows


class Endless(io.RawIOBase):
    """Rows without an end, which counts the bytes that were asked for."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = (self.line * (len(buffer) // len(self.line) + 1))[: len(self.line) * (len(buffer) // len(self.line))]
        buffer[: len(content)] = content
        self.taken += len(content)
        return len(content)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Endless:
    source = Endless(json.dumps({"text": "a great film"}).encode() + b"\n")
    buffered = io.BufferedReader(source)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffered))
    return source
