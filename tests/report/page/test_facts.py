"""What was run, and on which data."""

from pathlib import Path
from typing import Any

from finetune.report.page.facts import fact_table, split_tables
from finetune.report.page.folders import read_folders
from tests.report.page.folders_of_runs import RESULTS, read_one, write_run

SPLITS: dict[str, Any] = {
    "train": {
        "examples": 1200,
        "features": 1200,
        "tokens": {"total": 9000, "median": 8.0, "95%": 12.0, "longest": 30},
        "cut": 7,
        "labels": {"good": 800, "bad": 400},
    },
    "test": {"examples": 10, "tokens": None, "cut": None, "labels": {"bad": 10}},
}


def facts(folder: Path) -> dict[str, str]:
    return {row[0]: row[1] for row in fact_table([read_one(folder)]).rows}


def test_recipe_changes_masks_seed_and_packages_are_told(tmp_path: Path) -> None:
    told = facts(write_run(tmp_path / "run", mask="window(2)"))
    assert told["changed from the recipe"] == "training.epochs: 3 -> 1"
    assert told["masks"] == "encoder window(2)"
    assert told["seed"] == "42"
    assert told["packages"] == "torch 2.13.0, Python 3.11.7"
    assert told["best checkpoint"] == "step 4, dev accuracy 0.7500"
    assert told["machine"] == "1 CPU thread"
    assert "adapter" not in told


def test_an_older_run_has_not_stored_its_changes(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", results={"test": {}})
    (folder / "environment.json").unlink()
    told = facts(folder)
    assert told["changed from the recipe"] == "not stored"
    assert told["steps"] == "4 so far"
    assert "packages" not in told


def test_sizes_lengths_and_labels_are_told(tmp_path: Path) -> None:
    sizes, labels = split_tables([read_one(write_run(tmp_path / "run", results=RESULTS | {"splits": SPLITS}))])
    assert sizes.rows[0] == ("train", "1,200", "9,000", "8", "12", "30", "7")
    assert sizes.rows[1] == ("test", "10", *["not stored"] * 4, "none are cut")
    assert labels.headings == ("label", "train", "test")
    assert labels.rows == (("good", "800", "0"), ("bad", "400", "10"))


def test_runs_on_the_same_data_share_their_tables(tmp_path: Path) -> None:
    stored = RESULTS | {"splits": SPLITS}
    runs = read_folders([write_run(tmp_path / name, results=stored) for name in "ab"] + [write_run(tmp_path / "c")])
    assert [table.caption for table in split_tables(runs)] == [
        "Sizes of the splits, A, B",
        "How often each label occurs, A, B",
    ]
