"""Folders of runs as they are at the end of a training, made without one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import BertConfig

from finetune import compose
from finetune.recipe import Data, Model, Recipe, Scratch, Training
from finetune.report.page.folders import ReportedRun, read_folders
from tests.training.conftest import TASKS

Lines = Sequence[Mapping[str, Any]]

RESULTS: dict[str, Any] = {
    "recipe": "toy",
    "changed": {"training.epochs": {"recipe": 3, "run": 1}},
    "best_step": 4,
    "best_metric": {"accuracy": 0.75},
    "test": {"loss": 0.5, "accuracy": 0.75, "f1": float("nan")},
    "intervals": {"accuracy": [0.6, 0.85]},
    "details": {"bad": {"precision": 0.5, "recall": 1.0, "f1": float("nan"), "support": 4.0}},
    "signatures": {"precision_recall_f1": "average:macro"},
    "baselines": {"majority class": {"accuracy": 0.5, "f1": None}},
    "steps": {"step": 4, "total_steps": 4},
}
METRICS: Lines = (
    {"step": 2, "epoch": 1, "train_loss": 0.7, "learning_rate": 1e-3},
    {"step": 2, "epoch": 1, "dev_loss": 0.6, "dev_accuracy": 0.5},
    {"step": 4, "epoch": 1, "train_loss": 0.5, "learning_rate": 1e-4},
    {"step": 4, "epoch": 1, "dev_loss": 0.4, "dev_accuracy": 0.75},
    {"step": 4, "epoch": 1, "epoch_train_loss": 0.6},
)
PREDICTIONS: Mapping[str, Lines] = {
    "text_classification": [
        {"id": 0, "input": "a fine film", "reference": "good", "prediction": "good", "probabilities": shares}
        for shares in [{"good": 0.9, "bad": 0.1}]
    ]
    + [
        {
            "id": 1,
            "input": "poor",
            "reference": "bad",
            "prediction": "good",
            "probabilities": {"good": 0.6, "bad": 0.4},
        },
        {
            "id": 2,
            "input": "dull",
            "reference": "bad",
            "prediction": "good",
            "probabilities": {"good": 0.8, "bad": 0.2},
        },
    ],
    "token_classification": [
        {"id": 0, "input": ["red", "dog"], "reference": ["B-THING", "I-THING"], "prediction": ["O", "B-THING"]},
        {"id": 1, "input": ["a", "cat"], "reference": ["O", "B-THING"], "prediction": ["O", "B-THING"]},
    ],
    "text_to_text": [
        {"id": 0, "input": "red dog", "reference": "hund rot", "prediction": "hund rot"},
        {"id": 1, "input": "blue cat", "reference": "katze blau", "prediction": "hund blau"},
    ],
}


def write_run(
    folder: Path,
    kind: str = "text_classification",
    *,
    results: Mapping[str, Any] | None = RESULTS,
    predictions: Lines | None = None,
    metrics: Lines = METRICS,
    times: Lines = (),
    mask: str | None = None,
    name: str = "toy",
) -> Path:
    """Write a run folder; `results` None leaves a run that is not finished."""
    recipe = Recipe(
        name=name,
        task=TASKS[kind][1],
        model=Model(scratch=Scratch(architecture="bert", size="tiny", vocab_size=200)),
        data=Data(path="data"),
        training=Training(epochs=1),
    )
    if mask is not None:
        recipe = compose.override(recipe, {"attention.encoder": mask})
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(compose.to_yaml(recipe))
    environment = {"packages": {"torch": "2.13.0"}, "python": "3.11.7", "threads": 1, "precision": {"name": "fp32"}}
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in metrics))
    if times:
        (folder / "times.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in times))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
        lines = PREDICTIONS[kind] if predictions is None else predictions
        (folder / "predictions_test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        BertConfig(hidden_size=32, num_hidden_layers=3, num_attention_heads=2).save_pretrained(folder / "model")
    return folder


def read_one(folder: Path) -> ReportedRun:
    (run,) = read_folders([folder])
    return run
