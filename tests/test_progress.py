"""Progress where there is no terminal: a line now and then, with rate and time left."""

import itertools

import pytest
from rich.console import Console

from finetune import progress
from finetune.progress import ProgressBar, _clock, format_seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by 4 seconds whenever it is looked at."""
    ticks = itertools.count(step=4)
    monkeypatch.setattr("time.monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(progress, "console", Console(stderr=True, force_terminal=False))


@pytest.mark.usefixtures("clock")
def test_lines_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("training", 100) as bar:
        for _ in range(60):
            bar.advance(1000, note="epoch 1/2")
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) < 60
    assert lines[0].startswith("training: ")
    assert "tokens/s" in lines[0]
    assert lines[0].endswith("left epoch 1/2")


@pytest.mark.usefixtures("clock")
def test_other_processes_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("training", 100, enabled=False) as bar:
        for _ in range(60):
            bar.advance(1000)
    assert capsys.readouterr().err == ""


def test_pauses_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0, 110.0, 120.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    bar = ProgressBar("training", 10, enabled=False)
    with bar.paused():
        pass
    assert bar.seconds == pytest.approx(20.0)


def test_times_are_written_as_clocks_do() -> None:
    assert [_clock(seconds) for seconds in (0, 61, 3600 + 62)] == ["0:00", "1:01", "1:01:02"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.21, "4.2 s"), (59.6, "1 min 00 s"), (42, "42 s"), (7500, "2 h 05 min")]
)
def test_times_are_written_asformat_secondss_show_them(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
