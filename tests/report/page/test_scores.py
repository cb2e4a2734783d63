"""Tables of scores, beside intervals and baselines."""

from pathlib import Path

from finetune.report.page.folders import read_folders
from finetune.report.page.scores import detail_tables, score_table, signatures
from tests.report.page.folders_of_runs import RESULTS, read_one, write_run


def test_scores_stand_beside_intervals_and_baselines(tmp_path: Path) -> None:
    table = score_table([read_one(write_run(tmp_path / "run"))])
    assert table is not None
    assert table.headings == ("score", "this run", "95% interval", "majority class")
    assert table.rows == (
        ("loss", "0.5000", "not defined", ""),
        ("accuracy", "0.7500", "0.6000 to 0.8500", "0.5000"),
        ("f1", "not defined", "not defined", "not defined"),
    )


def test_an_older_run_has_no_intervals(tmp_path: Path) -> None:
    older = {name: value for name, value in RESULTS.items() if name not in ("intervals", "changed", "baselines")}
    table = score_table([read_one(write_run(tmp_path / "run", results=older))])
    assert table is not None
    assert table.headings == ("score", "this run")
    assert "No intervals" in table.note


def test_a_test_split_without_references_has_no_scores(tmp_path: Path) -> None:
    assert score_table([read_one(write_run(tmp_path / "run", results=RESULTS | {"test": {}}))]) is None


def test_runs_stand_side_by_side_and_share_equal_baselines(tmp_path: Path) -> None:
    other = RESULTS | {"test": {"accuracy": 0.5, "mcc": 0.1}}
    runs = read_folders([write_run(tmp_path / "a"), write_run(tmp_path / "b", results=other)])
    table = score_table(runs)
    assert table is not None
    assert table.headings == ("score", "A", "95% interval A", "B", "95% interval B", "majority class")
    assert table.rows[1] == ("accuracy", "0.7500", "0.6000 to 0.8500", "0.5000", "0.6000 to 0.8500", "0.5000")
    assert table.rows[3] == ("mcc", "", "", "0.1000", "not defined", "")
    baselines = {"majority class": {"accuracy": 0.1}}
    differing = read_folders([tmp_path / "a", write_run(tmp_path / "c", results=RESULTS | {"baselines": baselines})])
    told = score_table(differing)
    assert told is not None
    assert told.headings[-2:] == ("majority class (A)", "majority class (B)")


def test_details_of_one_form_share_a_table(tmp_path: Path) -> None:
    details = {
        "bad": {"precision": 0.5, "f1": 0.6, "support": 4.0},
        "good": {"precision": float("nan"), "f1": 0.7, "support": 1234.0},
        "bleu": {"brevity_penalty": 1.0},
    }
    classes, bleu = detail_tables([read_one(write_run(tmp_path / "run", results=RESULTS | {"details": details}))])
    assert classes.headings == ("class", "precision", "f1", "support")
    assert classes.rows == (("bad", "0.5000", "0.6000", "4"), ("good", "not defined", "0.7000", "1,234"))
    assert bleu.caption == "Details of bleu"


def test_types_of_entities_are_called_so(tmp_path: Path) -> None:
    (table,) = detail_tables([read_one(write_run(tmp_path / "run", "token_classification"))])
    assert table.caption == "Scores of each type"


def test_signatures_are_told_once(tmp_path: Path) -> None:
    runs = read_folders([write_run(tmp_path / "a"), write_run(tmp_path / "b")])
    assert signatures(runs) == ["precision_recall_f1: average:macro"]
