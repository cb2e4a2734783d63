"""What a whole run shows: lines of our own alone, which fit 80 columns."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune import compose
from finetune.recipe import Recipe
from tests.training.conftest import toy as toy

Toy = Callable[..., Recipe]

APART = """
import sys
from finetune import log, progress, run
log.console.file, progress.results_console.file = open("notes", "w"), open("results", "w")
sys.exit(run.main())
"""
"""A run whose own lines go to files, so that standard output and standard error have what others write."""
SCORES = re.compile(r"epoch 1/1  train loss [\d.]+  \|  dev  loss [\d.]+  (\w+) [\d.]+")


def in_terminal(*words: str, cwd: Path, columns: int) -> str:
    """What a program writes to its terminal, which has no more columns than that."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm"}
    with subprocess.Popen([sys.executable, *words], cwd=cwd, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        while part := _read(ours):
            written += part
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux: the other end is closed
        return b""


def without_colours(text: str) -> str:
    """The text without the escape sequences of a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def written(recipe: Recipe, folder: Path) -> str:
    path = folder / "small.yaml"
    path.write_text(compose.to_yaml(recipe))
    return f"recipe={path}"


SHORT = {"training.epochs": 1, "training.eval_every": 2, "training.log_every": 1}


@pytest.mark.parametrize(
    ("kind", "architecture", "more"),
    [
        ("text_classification", "bert", {"evaluation.baselines": True, "attention.encoder": "window(2)"}),
        ("text_to_text", "t5", {"training.ema": 0.9}),
        ("token_classification", "bert", {"training.layout": "padded"}),
    ],
)
def test_every_line_is_ours(kind: str, architecture: str, more: dict[str, object], toy: Toy, tmp_path: Path) -> None:
    recipe = toy(kind, architecture, train=48, held_out=8, **SHORT, **more)
    word = written(recipe, tmp_path)
    assert in_terminal("-c", APART, word, cwd=tmp_path, columns=80) == ""
    assert "model and predictions: " in " ".join((tmp_path / "notes").read_text().split())


def test_a_run_that_is_resumed_shows_lines_of_ours_alone(toy: Toy, tmp_path: Path) -> None:
    kept = {"training.finished_checkpoints": "all"}
    word = written(toy("text_to_text", "t5", train=48, held_out=8, **SHORT, **kept), tmp_path)
    assert in_terminal("-c", APART, word, cwd=tmp_path, columns=80) == ""
    (folder,) = (tmp_path / "runs" / "toy").iterdir()
    (folder / "results.json").unlink()
    assert in_terminal("-c", APART, f"resume={folder}", cwd=tmp_path, columns=80) == ""
    assert "resuming after step 3 of 3" in (tmp_path / "notes").read_text()


@pytest.mark.parametrize(
    ("kind", "architecture", "chosen_by"),
    [("text_classification", "bert", "accuracy"), ("text_to_text", "t5", "bleu")],
)
def test_lines_fit_80_columns(kind: str, architecture: str, chosen_by: str, toy: Toy, tmp_path: Path) -> None:
    more = {**SHORT, "attention.encoder": "window(2) | global_tokens(0) | blocks(4) | dilated(8, 2) | strided(16)"}
    word = written(toy(kind, architecture, train=48, held_out=8, **more), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "finetune", "run", word],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    too_long = [line for line in lines if len(line) > 80]
    assert all(len(line.split()) == 1 for line in too_long), "only a path, which is never broken"
    masks = str(compose.compose([word]).attention.description)
    assert f"masks: {masks} seed: 42" in " ".join(done.stderr.split()), "broken between words alone"
    (scores,) = [line for line in lines if line.startswith("epoch ")]
    match = SCORES.fullmatch(scores)
    assert match is not None
    assert match[1] == chosen_by


def test_an_explanation_fits_80_columns(toy: Toy, tmp_path: Path) -> None:
    site = {"mask": "window(2) | global_tokens(0) | blocks(4) | dilated(8, 2)", "layers": {"-1": "full()"}}
    word = written(toy("text_classification", "bert", train=48, held_out=8, **{"attention.encoder": site}), tmp_path)
    shown = without_colours(in_terminal("-m", "finetune", "explain", word, cwd=tmp_path, columns=80))
    assert max(map(len, shown.splitlines())) <= 80
    whole = " ".join(shown.split())
    assert f"encoder, layer 0: {site['mask']} It is computed as " in whole
    assert "encoder, layer 1: full() It is computed as " in whole
    assert "tokens that reach [CLS], median of " in whole


def test_lines_in_a_pipe_stay_whole(toy: Toy, tmp_path: Path) -> None:
    masks = "window(2) | global_tokens(0) | blocks(4) | dilated(8, 2) | strided(16) | random_keys(2, 1)"
    more = {**SHORT, "attention.encoder": masks}
    word = written(toy("text_classification", "bert", train=48, held_out=8, **more), tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", "finetune", "run", word],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"  masks: encoder {masks}" in done.stderr.splitlines()


def test_the_bar_in_a_terminal_of_80_columns_shows_the_loss(toy: Toy, tmp_path: Path) -> None:
    word = written(toy("text_classification", "bert", train=480, held_out=8, **SHORT), tmp_path)
    shown = in_terminal("-m", "finetune", "run", word, cwd=tmp_path, columns=80)
    bars = [line for line in re.split(r"[\r\n]", without_colours(shown)) if line.startswith("training ")]
    assert any(re.search(r"epoch 1/1 loss \d\.\d{4}", line) for line in bars)
    assert max(map(len, bars)) <= 80
