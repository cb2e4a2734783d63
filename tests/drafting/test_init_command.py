"""`finetune init` as people type it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finetune import compose
from tests.drafting.files import ROWS, WRITERS, write_table

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; from finetune.cli import main; sys.exit(main())"


def init(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_CACHE": str(cwd / "nowhere")}
    command = [sys.executable, "-c", MAIN, "init", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_recipe_is_written_and_the_next_commands_are_printed(tmp_path: Path) -> None:
    WRITERS["csv"](tmp_path)
    done = init("a.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("  finetune check recipe=recipe.yaml\n  finetune run recipe=recipe.yaml\n")
    recipe = compose.load_recipe(str(tmp_path / "recipe.yaml"))
    assert (recipe.data.path, recipe.data.columns.label) == ("a.csv", "stars")


def test_the_page_shows_what_is_printed_and_written(tmp_path: Path) -> None:
    kinds = ("film", "series", "book")
    rows = [(text, {"good": 5, "bad": 1}[label], kinds[n % 3]) for n, (text, label) in enumerate(ROWS)]
    write_table(tmp_path / "my.csv", [("review", "stars", "category"), *rows])
    done = init("my.csv", cwd=tmp_path)
    page = (ROOT / "docs" / "how-to" / "init.md").read_text()
    assert f"```text\n{done.stdout}```" in page
    assert f"```yaml\n{(tmp_path / 'recipe.yaml').read_text()}```" in page


def test_options_and_keys(tmp_path: Path) -> None:
    rows = [(text, n % 2, n % 3 // 2, n % 5) for n, (text, _) in enumerate(ROWS)]
    write_table(tmp_path / "a.csv", [("u", "x", "y", "z"), *rows])
    words = [
        "--label",
        "x",
        "--label",
        "y",
        "--text",
        "u",
        "--output",
        "new/mine.yaml",
        "--offline",
        "training.epochs=9",
    ]
    done = init("a.csv", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    recipe = compose.load_recipe(str(tmp_path / "new" / "mine.yaml"))
    assert (recipe.name, recipe.data.columns.label, recipe.training.epochs) == ("mine", ("x", "y"), 9)
    assert recipe.model.sample == "minilm"


def test_nothing_is_overwritten_unless_it_is_said(tmp_path: Path) -> None:
    WRITERS["csv"](tmp_path)
    (tmp_path / "recipe.yaml").write_text("mine")
    done = init("a.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "recipe.yaml is there already" in done.stderr
    assert (tmp_path / "recipe.yaml").read_text() == "mine"
    assert init("a.csv", "--overwrite", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv"], "there is no file nowhere.csv"),
        (["a.csv", "--label", "star"], "there is no column 'star'"),
        (["a.csv", "label"], "'label' is not of the form key=value"),
        (["a.csv", "recipe=sst2"], "recipe is given twice"),
        (["a.csv", "--output", "recipe.py"], "a drafted recipe is YAML"),
        (["a.csv", "--output", ".yaml"], "the name begins or ends with a dot"),
    ],
)
def test_mistakes_end_with_status_2_and_write_nothing(words: list[str], message: str, tmp_path: Path) -> None:
    WRITERS["csv"](tmp_path)
    done = init(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "conll", "parallel", "parquet"])
def test_it_is_light(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path)
    program = (
        "import sys, time; start = time.process_time(); from finetune.drafting import draft_recipe; "
        f"draft_recipe({str(path)!r}); print(time.process_time() - start, *sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    seconds, *modules = done.stdout.split()
    assert not {"torch", "transformers", "datasets", "pandas"} & set(modules)
    assert float(seconds) < 2, time.monotonic() - start
