"""Comparisons as text: nothing is cut in mid-word at 80 columns, and chance is called chance."""

from pathlib import Path

import pytest
from rich.console import Console

from finetune.metrics import Interval
from finetune.metrics.paired import PairedDifference
from finetune.report.comparison import ScoreDifference, compare_runs
from finetune.report.comparison_tables import comparison_table, difference_row, print_comparisons
from tests.report.stored import Toy, copied, trained


@pytest.mark.parametrize(
    ("name", "difference", "p_value", "expected"),
    [
        ("f1", PairedDifference(0.8, 0.9, Interval(0.05, 0.15), 0.01, "exact McNemar"), 0.02, "B is better"),
        ("f1", PairedDifference(0.9, 0.8, Interval(-0.15, -0.05), 0.01, "exact McNemar"), 0.02, "A is better"),
        ("mse", PairedDifference(0.9, 0.8, Interval(-0.15, -0.05), 0.01, "exact McNemar"), 0.02, "B is better"),
        ("agreement", PairedDifference(0.9, 0.8, None, 0.01, "exact McNemar"), 0.02, "they differ"),
        ("f1", PairedDifference(0.8, 0.81, Interval(-0.1, 0.15), 0.3, "exact McNemar"), 0.6, "may be chance"),
    ],
)
def test_verdicts(name: str, difference: PairedDifference, p_value: float, expected: str) -> None:
    assert difference_row(ScoreDifference(name, difference, p_value))[-1] == expected


def test_numbers_have_the_digits_of_their_scale() -> None:
    bleu = ScoreDifference(
        "bleu", PairedDifference(30.123, 30.9, Interval(-0.1, 1.7), 0.2, "approximate randomization"), 0.2
    )
    assert difference_row(bleu)[:5] == ("bleu", "30.12", "30.90", "+0.78", "-0.10 to +1.70")
    unchanged = ScoreDifference("f1", PairedDifference(0.5, 0.5, None, 1.0, "approximate randomization"), 1.0)
    assert difference_row(unchanged)[3:5] == ("+0.0000", "not defined")


def test_it_fits_80_columns(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained(toy, "text_classification", **{"training.epochs": 1})
    other = copied(folder, "other", lambda line: line | {"prediction": "good"})
    (found,) = compare_runs([folder, other])
    console = Console(width=80)
    with console.capture() as captured:
        console.print(comparison_table(found))
    text = captured.get()
    assert max(map(len, text.splitlines())) <= 80
    assert "f1_weighted" in text
    assert "…" not in text


def test_chance_is_said(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained(toy, "text_classification", **{"training.epochs": 1})
    print_comparisons(compare_runs([folder, Path(copied(folder, "same"))]))
    assert "No difference is more than chance" in capsys.readouterr().out
