"""Recipes of the Hub run as they stand, by the README's own commands; only smaller."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.lines import run_lines
from tests.hub_server import library
from tests.hub_server.fixtures import environment
from tests.hub_server.server import serve

ROOT = Path(__file__).parent.parent.parent
LAUNCH = [str(Path(sys.executable).parent / "accelerate"), "launch", "finetune/run.py"]
SMALL = ["data.max_train_examples=20", "data.max_dev_examples=4", "data.max_test_examples=4", "training.steps=2"]
RECIPES = {"wmt14": ["task.max_target_length=8"], "conll2003": [], "sst2": []}

Runs = dict[str, tuple[subprocess.Popen[str], Path]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """All at once, each with an empty cache."""
    folder = tmp_path_factory.mktemp("runs")
    with serve() as hub:
        library.add_everything(hub)
        yield {recipe: (launch(recipe, environment(hub, folder / recipe), folder), folder) for recipe in RECIPES}


def launch(recipe: str, variables: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    words = [*LAUNCH, f"recipe={recipe}", *SMALL, *RECIPES[recipe], f"output_dir={folder}/runs"]
    searched = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, env=variables | searched, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_against_the_hub(recipe: str, runs: Runs) -> None:
    process, folder = runs[recipe]
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "test results on 4 examples" in output
    (run,) = (folder / "runs" / recipe).iterdir()
    assert json.loads((run / "results.json").read_text())["steps"]["step"] == 2
    assert run_lines((run / "model" / "README.md").read_text())
