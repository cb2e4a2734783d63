"""The printed report shows what was found, and only that."""

from collections import Counter

import numpy as np
import pytest

from finetune.checking import CheckReport, print_report
from finetune.checking.lengths import Lengths
from finetune.checking.trial import TrialSteps
from finetune.compose import compose
from finetune.errors import UserError


@pytest.fixture
def report() -> CheckReport:
    return CheckReport(compose(["recipe=sst2"]))


def test_a_full_report_has_every_table(report: CheckReport, capsys: pytest.CaptureFixture[str]) -> None:
    report.columns = {"text": "review", "label": "label"}
    report.rows = {"train": 1200, "dev": 30}
    report.labels = {"train": Counter({f"label {number}": 50 - number for number in range(45)})}
    report.lengths = [Lengths("train", "task.max_length", 3, np.array([1, 2, 9]), num_examples=30)]
    report.trial = TrialSteps(32, 640, 0.693, 2**30, False, 38, 75.0, (70.0, 90.0), 4.2, (20, 3))
    report.warnings = [UserError("the classes are skewed", fix="weight them")]
    print_report(report)
    printed = capsys.readouterr().out
    for sign in (
        "review as text",
        "1,200",
        "and 5 more",
        "train (3 of 30)",
        "33.3%",
        "640 tokens",
        "1.00 GiB",
        "an epoch of 38 batches (median of 20 steps after a warm-up)",
        "1 min 15 s, half of the steps 1 min 10 s to 1 min 30 s",
        "warning: the classes are skewed",
        "0 errors, 1 warning",
    ):
        assert sign in printed


def test_an_empty_report_counts_errors_alone(report: CheckReport, capsys: pytest.CaptureFixture[str]) -> None:
    report.errors = [UserError("there is no file")]
    print_report(report)
    assert capsys.readouterr().out.strip() == "1 error, 0 warnings"
