"""Scores by slice on the page."""

from pathlib import Path

from finetune.report.page.folders import read_folders
from finetune.report.page.page import build_page
from finetune.report.page.slices import slice_tables
from tests.report.page.folders_of_runs import RESULTS, read_one, write_run

SLICES = {
    "length": [
        {"slice": "1 to 9", "examples": 1_200, "accuracy": 0.9, "interval": [0.8, 1.0]},
        {"slice": "<b>10</b>", "examples": 20, "accuracy": None, "interval": None},
    ]
}


def test_a_table_for_each_division(tmp_path: Path) -> None:
    run = read_one(write_run(tmp_path / "run", results=RESULTS | {"slices": SLICES}))
    (table,) = slice_tables([run])
    assert table.caption == "accuracy by length"
    assert table.rows == (
        ("1 to 9", "1,200", "0.9000", "0.8000 to 1.0000"),
        ("<b>10</b>", "20", "not defined", "not defined"),
    )
    page = build_page([run.folder])
    assert "accuracy by length" in page
    assert "<b>10</b>" not in page


def test_runs_stand_side_by_side(tmp_path: Path) -> None:
    other = {"length": [{"slice": "10 to 19", "examples": 5, "accuracy": 0.5, "interval": [0.1, 0.9]}]}
    folders = [
        write_run(tmp_path / "a", results=RESULTS | {"slices": SLICES}),
        write_run(tmp_path / "b"),
        write_run(tmp_path / "c", results=RESULTS | {"slices": other}),
    ]
    (table,) = slice_tables(read_folders(folders))
    assert table.headings[1:] == (
        "examples A",
        "accuracy A",
        "95% interval A",
        "examples C",
        "accuracy C",
        "95% interval C",
    )
    assert table.rows[-1] == ("10 to 19", "", "", "", "5", "0.5000", "0.1000 to 0.9000")


def test_a_run_without_slices_has_no_table(tmp_path: Path) -> None:
    assert slice_tables([read_one(write_run(tmp_path / "run"))]) == []
