"""Speed and padding, as far as they are stored."""

from pathlib import Path

from finetune.report.page.folders import read_folders
from finetune.report.page.speed import speed_table
from tests.report.page.folders_of_runs import RESULTS, read_one, write_run

PADDING = {"tokens": 9_000, "padded_tokens": 12_000, "ragged": True}


def test_padding_speed_and_times_are_told(tmp_path: Path) -> None:
    times: list[dict[str, object]] = [
        {"step": 1, "tokens": 100, "training_seconds": 1.5, "data_seconds": 0.5, "evaluation_seconds": 0.0},
        {"step": 2, "tokens": 500, "training_seconds": 3.5, "data_seconds": 0.5, "evaluation_seconds": 2.0},
        {"step": 2, "training_seconds": 0.0, "checkpoint_seconds": 92.0, "tokens_per_second": "fast"},
    ]
    run = read_one(write_run(tmp_path / "run", results=RESULTS | {"padding": PADDING}, times=times))
    table = speed_table([run])
    assert table is not None
    assert {row[0]: row[1] for row in table.rows} == {
        "tokens of the first epoch": "9,000",
        "positions, if its batches were padded": "12,000",
        "padding avoided": "25.0%",
        "tokens per second": "100",
        "time in all": "1 min 40 s",
        "time of training steps": "5.0 s (5.0%)",
        "time of waiting for batches": "1.0 s (1.0%)",
        "time of evaluations on dev": "2.0 s (2.0%)",
        "time of saving checkpoints": "1 min 32 s (92.0%)",
    }


def test_padded_rows_compute_their_padding(tmp_path: Path) -> None:
    padded = RESULTS | {"padding": PADDING | {"ragged": False}}
    runs = read_folders([write_run(tmp_path / "a", results=padded), write_run(tmp_path / "b")])
    table = speed_table(runs)
    assert table is not None
    assert ("padding computed", "25.0%", "not stored") in table.rows


def test_an_older_run_has_stored_none(tmp_path: Path) -> None:
    assert speed_table([read_one(write_run(tmp_path / "run"))]) is None
