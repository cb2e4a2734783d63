"""Parts that fail, crash and hang: the others run, and the report says what happened."""

import os
import time
from functools import partial

import pytest

from scripts.benchmarking import Spread
from scripts.gpu_checks import runner
from scripts.gpu_checks.command import to_json
from scripts.gpu_checks.results import Comparison, Failed, LeftOut, Measurement, PartReport, Result, Results, attempt
from scripts.gpu_checks.runner import MOST_FAILURES, Budget, Part, run_in_process, run_parts
from scripts.gpu_checks.setting import Setting
from scripts.gpu_checks.table import table

GOOD = Comparison("good", 0.1, 0.2)


def agrees(setting: Setting) -> Results:
    yield GOOD
    yield Measurement("speed", Spread(1, 2, 3), "ms")


def differs(setting: Setting) -> Results:
    yield GOOD
    yield Comparison("bad", float("nan"), 0.2)


def raises(setting: Setting) -> Results:
    yield GOOD
    raise ValueError("something broke")


def crashes(setting: Setting) -> Results:
    yield GOOD
    os._exit(7)


def hangs(setting: Setting) -> Results:
    yield GOOD
    time.sleep(600)


def goes_on_forever(setting: Setting) -> Results:
    while True:
        time.sleep(0.01)
        yield GOOD


def fails_forever(setting: Setting) -> Results:
    while True:
        yield attempt("division", lambda: Comparison("never", 1 / 0, 1.0))


def run(part: Part, seconds: float = 60.0, kill_after: float = 120.0) -> PartReport:
    return run_in_process(part, "cpu", True, seconds, kill_after, lambda *_: None, "forkserver")


def test_parts_that_fail_or_crash_do_not_keep_others_from_running() -> None:
    parts = [Part(one.__name__, one, 1) for one in (raises, crashes, differs, agrees)]
    reports: list[PartReport] = []
    seen: list[tuple[str, Result]] = []
    run_parts(
        parts,
        "cpu",
        quick=True,
        budget=Budget(time.monotonic() + 600),
        method="forkserver",
        on_result=lambda *pair: seen.append(pair),
        on_part=reports.append,
    )
    assert [report.status for report in reports] == ["failed", "failed", "failed", "passed"]
    assert all(report.results[0] == GOOD for report in reports), "what came before the error is kept"
    assert "ValueError: something broke" in str(reports[0].traceback)
    assert reports[1].traceback == "the process of the part ended with status 7"
    assert ("agrees", GOOD) in seen
    written = to_json({}, reports, quick=True, seconds=1.0)
    assert not written["passed"]
    assert written["parts"][2]["comparisons"][1] == {"name": "bad", "error": None, "tolerance": 0.2, "passed": False}
    printed = table(reports)
    for line in ("ValueError: something broke", "FAILED, tolerance 0.2", "2 (1 to 3)", "1 of 2 comparisons within"):
        assert line in printed


def test_a_part_that_hangs_is_ended_and_its_results_are_kept() -> None:
    report = run(Part("hangs", hangs, 1), kill_after=20.0)
    assert report.results == [GOOD]
    assert report.traceback == "the part did not end within 20 s; its process was killed"
    assert report.status == "failed"


def test_a_part_ends_after_its_time_or_after_many_failures() -> None:
    report = run(Part("long", goes_on_forever, 1), seconds=0.5)
    assert report.status == "passed"
    assert "the time of the part was up after" in report.of(LeftOut)[0].reason
    report = run(Part("failing", fails_forever, 1))
    assert report.status == "failed"
    assert len(report.of(Failed)) == MOST_FAILURES
    assert "ZeroDivisionError" in report.of(Failed)[0].traceback
    assert report.of(LeftOut)[0].reason == f"the part ended after {MOST_FAILURES} failures"


def test_parts_that_do_not_fit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run_in_process", partial(pytest.fail, "it was started"))
    reports: list[PartReport] = []
    budget = Budget(time.monotonic() + 1)
    run_parts(
        [Part("long", agrees, 1, least=30)],
        "cpu",
        quick=True,
        budget=budget,
        method="forkserver",
        on_result=lambda *_: None,
        on_part=reports.append,
    )
    assert reports[0].status == "left out"
    assert "s were left" in reports[0].of(LeftOut)[0].reason


def test_time_that_a_part_does_not_use_goes_to_those_after_it() -> None:
    parts = [Part("a", agrees, 1), Part("b", agrees, 3)]
    budget = Budget(time.monotonic() + 400)
    first, second = budget.of_part(parts), budget.of_part(parts[1:])
    assert first == pytest.approx((400 - runner.GRACE) / 4, rel=0.01)
    assert second == pytest.approx(400 - runner.GRACE, rel=0.01)
