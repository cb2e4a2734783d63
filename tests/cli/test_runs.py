"""Runs from the command line: exit status 2 without a traceback."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune import compose, run
from finetune.recipe import Recipe
from tests.cli.commands import ROOT, command, finetune
from tests.training.conftest import toy as toy

Toy = Callable[..., Recipe]


@pytest.mark.parametrize("entrance", ["script", "command"])
def test_a_mistake_is_told_without_a_traceback(entrance: str) -> None:
    words = ["recipe=sst2", "training.epoch=3", "seed=x"]
    shown = command("finetune/run.py", *words) if entrance == "script" else finetune("run", *words)
    assert shown.returncode == 2
    assert shown.stdout == ""
    assert shown.stderr.startswith("error: ")
    assert "did you mean training.epochs?" in shown.stderr
    assert "seed" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_the_script_runs_from_any_folder_without_the_package_installed(tmp_path: Path) -> None:
    shown = command(
        "-S", str(ROOT / "finetune" / "run.py"), "--help", cwd=tmp_path, environment={"PYTHONPATH": site_packages()}
    )
    assert shown.returncode == 0
    assert compose.DEFAULT_RECIPE in shown.stdout


def test_wmt14_without_a_hub_names_the_three_ways_on() -> None:
    shown = command("finetune/run.py", "recipe=wmt14")
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr
    assert shown.stderr.count("error:") == 1
    for way in ("HF_ENDPOINT", "data.path=", "recipe=sentiment_sample"):
        assert way in shown.stderr


def test_main_gives_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["recipe=nothing_like_it"]) == 2
    assert "there is no recipe" in capsys.readouterr().err


def site_packages() -> str:
    """The installed libraries alone: without -S's site module, editable installs are not seen."""
    return os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))


def test_evaluate_takes_its_data_after_an_option() -> None:
    shown = finetune("evaluate", "runs/none", "my.csv")
    assert shown.returncode == 2
    assert "finetune evaluate runs/none --data my.csv" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_evaluate_and_compare_from_the_command_line(toy: Toy, tmp_path: Path) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **{"training.epochs": 1})
    run.run_recipe(recipe)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    words = ("evaluate", str(folder), "--data", str(tmp_path / "data" / "dev.jsonl"))
    first = finetune(*words, "--output", str(tmp_path / "first"), "evaluation.metrics=[accuracy]")
    assert first.returncode == 0, first.stderr
    assert "results on 8 examples of dev.jsonl" in first.stdout
    again = finetune(*words, "--output", str(tmp_path / "first"))
    assert again.returncode == 2
    assert "is not overwritten" in again.stderr
    compared = finetune("compare", str(tmp_path / "first"), str(tmp_path / "first"))
    assert compared.returncode == 0, compared.stderr
    assert "8 examples" in compared.stdout
