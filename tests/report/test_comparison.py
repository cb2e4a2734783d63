"""Comparison of runs: what is more than chance, and runs that cannot be compared."""

from pathlib import Path
from typing import Any

import pytest

from finetune.cli import main
from finetune.errors import UserError
from finetune.report.comparison import compare_runs
from tests.report.stored import Toy, copied, lines_of, trained, write


@pytest.fixture
def folder(toy: Toy) -> Path:
    return trained(toy, "text_classification", **{"training.epochs": 1})


def right(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"prediction": line["reference"]}


def wrong(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"prediction": {"good": "bad", "bad": "good"}[line["reference"]]}


def partly(line: dict[str, Any]) -> dict[str, Any]:
    return right(line) if line["id"] % 4 else wrong(line)


def test_a_better_run_is_found_to_be_better(folder: Path) -> None:
    (found,) = compare_runs([copied(folder, "first", wrong), copied(folder, "second", partly)])
    scores = {one.name: one for one in found.scores}
    assert scores["accuracy"].difference.first == 0
    assert scores["accuracy"].difference.second == 0.75
    assert scores["accuracy"].is_real
    assert scores["accuracy"].is_better
    assert [one.change for one in found.changed] == [1.0] * 18


def test_one_changed_example_may_be_chance(folder: Path) -> None:
    first = copied(folder, "first", partly)
    second = copied(folder, "second", lambda line: right(line) if line["id"] == 0 else partly(line))
    (found,) = compare_runs([first, second])
    assert not any(one.is_real for one in found.scores)
    assert [(one.record.id, one.change) for one in found.changed] == [(0, 1.0)]


def test_the_same_predictions_do_not_differ(folder: Path) -> None:
    (found,) = compare_runs([copied(folder, "first", partly), copied(folder, "second", partly)])
    assert {one.corrected_p_value for one in found.scores} == {1.0}
    assert found.changed == ()


def test_p_values_are_corrected_for_all_runs(folder: Path) -> None:
    folders = [copied(folder, f"run{number}", change) for number, change in enumerate((wrong, partly, right))]
    alone = compare_runs(folders[:2])[0].scores
    together = compare_runs(folders)[0].scores
    assert all(two.corrected_p_value >= one.corrected_p_value for one, two in zip(alone, together, strict=True))
    assert any(two.corrected_p_value > one.corrected_p_value for one, two in zip(alone, together, strict=True))


def test_examples_of_a_group_are_drawn_together(folder: Path) -> None:
    def grouped(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"group": f"d{line['id'] // 12}"}

    first = copied(folder, "first", lambda line: grouped(wrong(line)))
    second = copied(folder, "second", lambda line: grouped(partly(line)))
    (found,) = compare_runs([first, second])
    assert not any(one.is_real for one in found.scores), "two groups are too few to say anything"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line | {"input": line["input"] + "!"}, "another input in 24 of 24 examples"),
        (lambda line: line | {"reference": "good"}, "another reference in"),
        (lambda line: line | {"id": line["id"] + 1}, "one alone has example 0"),
    ],
    ids=["inputs", "references", "numbers"],
)
def test_runs_on_other_examples_are_refused(folder: Path, change: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare_runs([folder, copied(folder, "other", change)])


def test_runs_on_a_part_of_the_examples_are_refused(folder: Path) -> None:
    other = copied(folder, "other")
    write(other, lines_of(folder)[:20])
    with pytest.raises(UserError, match="24 and 20 examples; one alone has example 20"):
        compare_runs([folder, other])


def test_runs_of_other_tasks_are_refused(folder: Path, toy: Toy) -> None:
    other = trained(toy, "token_classification", **{"training.epochs": 1, "name": "entities"})
    with pytest.raises(UserError, match="text classification and token classification"):
        compare_runs([folder, other])


def test_one_example_cannot_be_compared(folder: Path) -> None:
    write(folder, lines_of(folder)[:1])
    with pytest.raises(UserError, match="no score of these runs can be compared"):
        compare_runs([folder, folder])


def test_one_run_has_nothing_to_be_compared_with(folder: Path) -> None:
    with pytest.raises(UserError, match="the folders of two or more runs"):
        compare_runs([folder])


@pytest.mark.parametrize("kind", ["token_classification", "text_to_text"])
def test_other_tasks(kind: str, toy: Toy) -> None:
    folder = trained(toy, kind, **{"training.epochs": 1})
    (found,) = compare_runs([folder, copied(folder, "right", right)])
    assert found.scores
    assert all(one.difference.second >= one.difference.first for one in found.scores)
    assert all(one.change > 0 for one in found.changed)


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    first, second = copied(folder, "first", wrong), copied(folder, "second", right)
    output = tmp_path / "changed.jsonl"
    monkeypatch.setattr("sys.argv", ["finetune", "compare", str(first), str(second), "-o", str(output)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (None, 0)
    printed = capsys.readouterr().out
    assert "B is better" in printed
    assert "B predicts 24 examples better than A, and 0 worse." in printed
    assert len(output.read_text().splitlines()) == 24
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "is there already" in capsys.readouterr().err
