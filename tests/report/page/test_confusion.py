"""Confusion matrices are those of scikit-learn."""

import random
from pathlib import Path

from sklearn.metrics import confusion_matrix

from finetune.report.page.confusion import ConfusionMatrix, confusions
from finetune.report.page.tables import DataTable
from tests.report.page.folders_of_runs import PREDICTIONS, read_one, write_run


def lines(classes: list[str], count: int = 300) -> list[dict[str, object]]:
    generator = random.Random(0)
    pairs = [(generator.choice(classes), generator.choice(classes)) for _ in range(count)]
    return [{"id": i, "input": "a", "reference": one, "prediction": other} for i, (one, other) in enumerate(pairs)]


def test_the_matrix_is_that_of_scikit_learn(tmp_path: Path) -> None:
    stored = lines(["bad", "good", "so-so"])
    found = confusions(read_one(write_run(tmp_path / "run", predictions=stored)))
    assert isinstance(found, ConfusionMatrix)
    assert found.classes == ("bad", "good", "so-so")
    references, predictions = ([line[name] for line in stored] for name in ("reference", "prediction"))
    assert [list(row) for row in found.counts] == confusion_matrix(
        references, predictions, labels=found.classes
    ).tolist()
    assert found.share(0, 1) == found.counts[0][1] / sum(found.counts[0])


def test_many_classes_are_a_table_of_the_most_frequent_confusions(tmp_path: Path) -> None:
    found = confusions(read_one(write_run(tmp_path / "run", predictions=lines([f"c{i}" for i in range(25)]))))
    assert isinstance(found, DataTable)
    counts = [int(row[2]) for row in found.rows]
    assert counts == sorted(counts, reverse=True)
    assert all(row[0] != row[1] for row in found.rows)


def test_other_tasks_have_none(tmp_path: Path) -> None:
    for kind in ("token_classification", "text_to_text"):
        assert confusions(read_one(write_run(tmp_path / kind, kind))) is None
    several = [{**PREDICTIONS["text_classification"][0], "reference": ["a"], "prediction": ["b"]}]
    assert confusions(read_one(write_run(tmp_path / "several", predictions=several))) is None


def test_absent_predictions_are_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "predictions_test.jsonl").unlink()
    assert "no such file" in str(confusions(read_one(folder)))
