"""Two processes do what one does: same batches, same gradients, every example evaluated once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune import compose
from finetune.recipe import Recipe
from finetune.run import main
from tests.training.processes import together

ROOT = Path(__file__).parent.parent.parent


def launch(path: Path, processes: int) -> None:
    """Run a recipe as a user does, in fresh processes on the CPU."""
    # accelerate has no flag for several processes on a CPU: --cpu would start one.
    flags = ["--num_processes", str(processes), *(["--multi_gpu"] if processes > 1 else [])]
    flags += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "accelerate"), "launch", *flags, "finetune/run.py", f"recipe={path}"],
        cwd=ROOT,
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def fork(path: Path, processes: int) -> None:
    """Run a recipe in processes that need not import anything again."""
    logs = path.parent / f"logs{processes}"
    statuses = together(lambda: main([f"recipe={path}"]), logs, processes)
    assert statuses == [0] * processes, (logs / "0.log").read_text()


def results_of(recipe: Recipe, start: Callable[[Path, int], None], processes: int) -> dict[str, Any]:
    """The test results of a run in so many processes."""
    path = recipe.output_dir.parent / f"{processes}.yaml"
    path.write_text(compose.to_yaml(recipe))
    start(path, processes)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    predictions = [json.loads(line)["id"] for line in (folder / "predictions_test.jsonl").read_text().splitlines()]
    assert predictions == list(range(21))
    return results


@pytest.mark.parametrize(
    ("kind", "start"), [("text_classification", launch), ("token_classification", fork), ("text_to_text", fork)]
)
def test_two_processes_give_the_scores_of_one(
    toy: Callable[..., Recipe], tmp_path: Path, kind: str, start: Callable[[Path, int], None]
) -> None:
    overrides = {"training.epochs": 1, "model.scratch.dropout": 0.0, "training.learning_rate": 1e-3}
    results = []
    for processes, batch_size in ((1, 16), (2, 8)):
        recipe = toy(kind, "bert", train=56, held_out=21, **overrides | {"training.batch_size": batch_size})
        recipe = compose.override(recipe, {"output_dir": str(tmp_path / f"runs{processes}")})
        results.append(results_of(recipe, start, processes)["test"])
    assert results[0] == pytest.approx(results[1], rel=1e-4)
