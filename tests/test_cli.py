"""The commands as people type them: fast help, tables, exit status 2 without a traceback."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from finetune import __version__, compose, run

ROOT = Path(__file__).parent.parent


def command(*words: str, cwd: Path = ROOT, environment: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )


def finetune(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return command("-c", "import sys; from finetune.cli import main; sys.exit(main())", *words, environment=environment)


@pytest.mark.parametrize("columns", ["80", "200"])
def test_list_shows_every_recipe_with_what_it_trains(columns: str) -> None:
    shown = finetune("list", COLUMNS=columns)
    assert shown.returncode == 0
    assert max(map(len, shown.stdout.splitlines())) <= int(columns)
    whole = " ".join(shown.stdout.split())
    for name in compose.recipe_names():
        recipe = compose.load_recipe(name)
        kind = recipe.task.kind.replace("_", " ")
        said = f"{kind}, {recipe.model.description}, data: {recipe.data.description}, seed: {recipe.seed}"
        assert f"{name} {recipe.summary} {said} masks: {recipe.attention.description}" in whole


def test_show_prints_what_can_be_run_again(tmp_path: Path) -> None:
    words = ["recipe=sst2", "training.epochs=7"]
    shown = finetune("show", *words)
    path = tmp_path / "sst2.yaml"
    path.write_text(shown.stdout)
    assert compose.load_recipe(str(path)) == compose.compose(words)


@pytest.mark.parametrize("words", [[], ["training"], ["data.filter"]])
def test_help_explains_keys(words: list[str]) -> None:
    shown = finetune("help", *words)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == compose.explain_keys(*words) + "\n"


def test_help_suggests_what_is_near() -> None:
    shown = finetune("help", "training.epoch")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "finetune help training.epochs" in shown.stderr


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list", "--help"], ["show", "--help"]])
def test_help(words: list[str]) -> None:
    shown = finetune(*words)
    assert shown.returncode == 0
    assert "Usage" in shown.stdout


def test_version() -> None:
    assert finetune("--version").stdout.strip() == __version__


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


def site_packages() -> str:
    """The installed libraries alone: without -S's site module, editable installs are not seen."""
    return os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))


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


def test_mask_is_drawn_over_positions() -> None:
    shown = finetune("mask", "window(1) | global_tokens(0)", "--length", "5")
    assert shown.returncode == 0
    assert shown.stdout.startswith("window(1) | global_tokens(0)")


def test_masks_of_a_site_are_drawn_as_a_recipe_has_them(tmp_path: Path) -> None:
    picture = tmp_path / "mask.svg"
    site = "{mask: window(1), layers: {-1: full()}}"
    shown = finetune("mask", site, "--length", "5", "--layers", "2", "--picture", str(picture))
    assert shown.returncode == 0
    assert "encoder, layer 1: full()" in shown.stdout
    assert "<svg" in picture.read_text()


def test_a_recipes_masks_are_drawn() -> None:
    shown = finetune("mask", "recipe=wmt14", "attention.cross=window(2)", "--length", "5", "--layers", "2")
    assert shown.returncode == 0
    assert shown.stdout.startswith("cross")


@pytest.mark.parametrize(
    "words",
    [
        ["mask", "widnow(1)"],
        ["mask", "window(1)", "global_tokens(0)"],
        ["attention", ".", "--text", "a"],
        ["attention", ".", "--text", "a", "--head", "0", "--mean"],
        ["mask", "window(1)", "--picture", "mask.gif"],
    ],
)
def test_mistakes_in_drawing(words: list[str]) -> None:
    shown = finetune(*words)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ")
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["train", "recipe=sst2"], "finetune run recipe=sst2"),
        (["run", "--recipe", "sst2"], "write recipe=sst2"),
        (["check", "recipe=sst2", "--lr", "1e-4"], "write training.learning_rate=1e-4"),
        (["show", "recipe=sst2", "--num_train_epochs=3"], "write training.epochs=3"),
        (["predict", "runs/a", "new.csv"], "finetune predict runs/a --input new.csv"),
    ],
)
def test_words_of_other_tools_lead_home(words: list[str], fix: str) -> None:
    shown = finetune(*words)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ")
    assert f"fix:      {fix}" in shown.stderr
    assert "Traceback" not in shown.stderr
