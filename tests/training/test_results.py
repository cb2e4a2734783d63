"""The end of a run: what it leaves behind, and scores beside those of the baselines."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune import compose
from finetune.recipe import Recipe
from finetune.recipe.changes import Changes
from finetune.run import run_recipe

Toy = Callable[..., Recipe]


def read_lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def only_run(recipe: Recipe) -> Path:
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    return folder


def test_a_run_leaves_everything_behind(toy: Toy, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = toy("text_classification", "bert", train=64, held_out=20, **{"training.epochs": 2})
    results = run_recipe(recipe)
    folder = only_run(recipe)
    stored = compose.load_recipe(str(folder / "recipe.yaml"))
    assert stored == compose.override(recipe, {"training.fp32_matmul": stored.training.fp32_matmul})
    assert json.loads((folder / "environment.json").read_text())["packages"]["torch"] == torch.__version__
    predictions = read_lines(folder / "predictions_test.jsonl")
    assert [line["id"] for line in predictions] == list(range(20))
    right = sum(line["prediction"] == line["reference"] for line in predictions)
    assert right / 20 == pytest.approx(results["accuracy"])
    log = read_lines(folder / "metrics.jsonl")
    assert [line["epoch"] for line in log if "epoch_train_loss" in line] == [1, 2]
    assert json.loads((folder / "results.json").read_text())["test"] == results
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    assert set(model.config.label2id) == {"good", "bad"}
    assert AutoTokenizer.from_pretrained(folder / "model")("good")["input_ids"]
    said = capfd.readouterr()
    assert "epoch 1/2  train loss" in said.err
    assert "test results on 20 examples" in said.out
    assert "95% interval" in said.out


def test_results_say_what_differs_from_the_recipe(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **{"training.epochs": 1})
    run_recipe(compose.override(recipe.with_changes(Changes()), {"attention.encoder": "window(2)", "seed": 3}))
    results = json.loads((only_run(recipe) / "results.json").read_text())
    assert results["masks"] == {"encoder": "window(2)", "decoder": "causal()", "cross": "full()"}
    assert results["seed"] == 3
    assert results["data"] == "data"
    assert results["changed"] == {
        "attention.encoder": {"recipe": None, "run": "window(2)"},
        "seed": {"recipe": 42, "run": 3},
    }


def test_baselines_stand_beside_the_model(toy: Toy, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = toy("text_classification", "bert", train=200, **{"training.epochs": 1, "evaluation.baselines": True})
    run_recipe(recipe)
    baselines = json.loads((only_run(recipe) / "results.json").read_text())["baselines"]
    assert 0.3 < baselines["majority class"]["accuracy"] < 0.7
    assert baselines["TF-IDF + logistic regression"]["accuracy"] > 0.9
    assert "TF-IDF" in capfd.readouterr().out


def test_scores_have_intervals(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=24, **{"training.epochs": 1})
    run_recipe(recipe)
    results = json.loads((only_run(recipe) / "results.json").read_text())
    assert {"accuracy", "loss"} <= results["intervals"].keys()
    for name, (low, high) in results["intervals"].items():
        assert low <= results["test"][name] <= high


def test_groups_are_drawn_as_a_whole(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=24, **{"training.epochs": 1})
    folder = Path(str(recipe.data.path))
    for split in ("train", "dev", "test"):
        lines = [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]
        grouped = [json.dumps(line | {"document": f"{split}{number // 6}"}) for number, line in enumerate(lines)]
        (folder / f"{split}.jsonl").write_text("\n".join(grouped) + "\n")
    run_recipe(compose.override(recipe, {"data.group_column": "document"}))
    predictions = (only_run(recipe) / "predictions_test.jsonl").read_text().splitlines()
    assert [json.loads(line)["group"] for line in predictions] == [f"test{number // 6}" for number in range(24)]
    assert "intervals are of 4 groups, which are drawn as a whole" in capsys.readouterr().out
