"""The masks of runs are drawn, and their cost is estimated where the lengths of a batch are stored."""

from pathlib import Path

import pytest

from finetune.report.page.folders import read_folders
from finetune.report.page.masks import UNKNOWN_COST, mask_pictures
from tests.report.page.folders_of_runs import RESULTS, read_one, write_run

PADDING = {"tokens": 90, "padded_tokens": 120, "ragged": True, "first_batch": [12, 30, 8]}


@pytest.mark.parametrize(
    "mask", ["window(2) | global_tokens(cls)", "same(sentence)", "window(1) + alibi()", "prefix(n)"]
)
def test_masks_are_drawn_with_their_cost(mask: str, tmp_path: Path) -> None:
    results = RESULTS | {"padding": PADDING}
    (one,) = mask_pictures([read_one(write_run(tmp_path / "run", mask=mask, results=results))])
    assert one.picture is not None
    assert one.picture.source.startswith("data:image/svg+xml;base64,")
    assert "Which of 16 tokens may attend to which: encoder" in one.picture.description
    assert one.costs is not None
    assert one.costs.rows[0][0] == "0-2", "the layers share the mask"
    assert one.note == ""


def test_an_older_run_has_a_picture_alone(tmp_path: Path) -> None:
    (one,) = mask_pictures([read_one(write_run(tmp_path / "run", mask="window(2)"))])
    assert one.picture is not None
    assert (one.costs, one.note) == (None, UNKNOWN_COST)


def test_the_standard_masks_are_told_in_words(tmp_path: Path) -> None:
    (one,) = mask_pictures([read_one(write_run(tmp_path / "run"))])
    assert (one.picture, one.costs, one.description) == (None, None, "standard")


def test_runs_with_the_same_masks_share_a_picture(tmp_path: Path) -> None:
    masks = ["window(2)", "window(2)", "window(3)"]
    runs = read_folders([write_run(tmp_path / str(number), mask=mask) for number, mask in enumerate(masks)])
    assert [one.runs for one in mask_pictures(runs)] == [("A", "B"), ("C",)]


def test_a_run_without_a_model_has_no_picture(tmp_path: Path) -> None:
    (one,) = mask_pictures([read_one(write_run(tmp_path / "run", mask="window(2)", results=None))])
    assert one.picture is None
    assert one.note.startswith("The masks cannot be drawn: ")
