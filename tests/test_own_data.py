"""Data of the user's own, through the command line: what the README promises."""

import csv
import json
from pathlib import Path

import pytest

from finetune import run

SMALL = [
    "model.name=null",
    "model.scratch.architecture=bert",
    "model.scratch.size=tiny",
    "model.scratch.vocab_size=200",
    "training.epochs=1",
    "task.max_length=16",
]
ROWS = [
    (f"a {word} thing {number}", stars, number // 2)
    for number in range(60)
    for word, stars in (("fine", 5), ("dull", 1))
]
FUNCTION = '''
import json

def load(split):
    """Rows of one split, train, dev or test; None for a split that is cut from train."""
    if split != "train":
        return None
    with open("reviews.json") as file:
        for shop in json.load(file)["shops"]:
            for review in shop["reviews"]:
                yield {"text": review["body"], "label": "good" if review["stars"] > 3 else "bad"}
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Path("my.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("review", "stars", "author"), *ROWS])
    reviews = [{"body": text, "stars": stars} for text, stars, _ in ROWS]
    Path("reviews.json").write_text(json.dumps({"shops": [{"reviews": reviews[:50]}, {"reviews": reviews[50:]}]}))
    Path("mine.py").write_text(FUNCTION)
    return tmp_path


def labels(*words: str) -> set[str]:
    """The classes of a run of these words, which has to succeed."""
    assert run.main(["recipe=sst2", *words, *SMALL]) == 0
    (folder,) = Path("runs/sst2").iterdir()
    return set(json.loads((folder / "results.json").read_text())["details"])


COLUMNS = ["data.columns.text=review", "data.columns.label=stars"]


def test_a_csv_with_any_column_names() -> None:
    assert labels("data.path=my.csv", *COLUMNS) == {"1", "5"}


def test_a_function_in_a_file() -> None:
    columns = ["data.columns.text=text", "data.columns.label=label"]
    assert labels("data.function=mine.py:load", *columns) == {"good", "bad"}


@pytest.mark.parametrize("streaming", ["true", "false"])
def test_filters_groups_and_subsets(streaming: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("FINETUNE_CACHE", str(folder / "cache"))
    some = ["data.filter=len(review) > 3 and author < 40", "data.group_column=author", "data.max_train_examples=0.5"]
    assert labels("data.path=my*.csv", *COLUMNS, *some, f"data.streaming={streaming}") == {"1", "5"}


def test_sources_mixed_by_weight() -> None:
    own = "columns: {text: text, label: label}"
    function = f"{{function: 'mine.py:load', weight: 1, {own}}}"
    assert labels(f"data.sources=[{{path: my.csv, weight: 3}}, {function}]", *COLUMNS) == {"1", "5", "good", "bad"}


def test_mistakes_end_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text("def load(split): return open('nowhere')")
    assert run.main(["recipe=sst2", "data.function=mine.py:load", *SMALL]) == 2
    told = capsys.readouterr().err
    assert "FileNotFoundError" in told
    assert "mine.py, line 1" in told
    assert "Traceback" not in told
