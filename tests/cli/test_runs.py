"""Runs from the command line: exit status 2 without a traceback."""

import os
import sys
from pathlib import Path

import pytest

from finetune import compose, run
from tests.cli.commands import ROOT, command, finetune


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
