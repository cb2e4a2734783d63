"""Who shows diagnostics: the command line always, the library where the program has not set up logging."""

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from rich.console import Console

from finetune import log
from finetune.progress import say, warn

SAY = "from finetune import log\nfrom finetune.progress import say, warn\n"


def shown(program: str) -> str:
    """Standard error of a program of its own, since pytest sets up logging in this one."""
    done = subprocess.run([sys.executable, "-c", SAY + program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "a note\nwarning: a warning\n"),
        ("logging.getLogger('finetune').setLevel(logging.WARNING)", "warning: a warning\n"),
        ("logging.basicConfig(format='%(levelname)s %(message)s')", "WARNING a warning\n"),
        (
            "logging.basicConfig(format='%(name)s %(filename)s: %(message)s', level='INFO')",
            "finetune <string>: a note\nfinetune <string>: a warning\n",
        ),
        ("logging.getLogger('finetune').addHandler(logging.NullHandler())", ""),
        ("log.to_console()", "a note\nwarning: a warning\n"),
    ],
    ids=["nothing set up", "warnings alone", "root for warnings", "root for all", "silenced", "command line"],
)
def test_the_library_shows_notes_unless_logging_is_set_up(before: str, expected: str) -> None:
    assert shown(f"import logging\n{before}\nwith log.shown():\n    say('a note'); warn('a warning')\n") == expected


def test_nothing_is_set_up_for_good() -> None:
    outside = (
        "import logging\nwith log.shown(): pass\nassert not log.logger.handlers and not log.logger.level\nsay('late')"
    )
    assert shown(outside) == ""


def test_bars_are_shown_where_notes_are() -> None:
    for level, expected in (("INFO", True), ("WARNING", False)):
        program = f"import logging\nlogging.basicConfig(level='{level}')\nassert log.shows_progress() is {expected}"
        assert shown(program) == ""


def test_the_logger_is_the_calling_module(caplog: pytest.LogCaptureFixture) -> None:
    namespace = {"say": say, "warn": warn, "__name__": "finetune.training.loop"}
    exec("say('[bold]100%[/bold] %s')\nwarn('b')", namespace)
    assert [(one.name, one.levelname, one.getMessage()) for one in caplog.records] == [
        ("finetune.training.loop", "INFO", "[bold]100%[/bold] %s"),
        ("finetune.training.loop", "WARNING", "b"),
    ]


@pytest.fixture
def level() -> Iterator[None]:
    before = log.logger.level
    yield
    log.logger.setLevel(before)


@pytest.mark.usefixtures("level")
def test_silenced_tells_nobody(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    log.logger.setLevel(logging.INFO)
    with log.silenced():
        warn("inside")
        assert not log.shows_progress()
    say("after")
    assert caplog.messages == ["after"]
    assert capsys.readouterr().err == "after\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a short line", "a short line"),
        ("  masks: window(2) | blocks(4) | strided(8)", "  masks: window(2) |\n    blocks(4) |\n    strided(8)"),
        (
            "no\n  fix:      several words that help",
            "no\n  fix:      several\n            words\n            that help",
        ),
        ("  run folder: runs/sentiment_sample/2026-01-31", "  run folder:\n    runs/sentiment_sample/2026-01-31"),
        ("two\n\nlines", "two\n\nlines"),
    ],
)
def test_lines_are_broken_between_words(monkeypatch: pytest.MonkeyPatch, text: str, expected: str) -> None:
    monkeypatch.setattr(log, "console", Console(stderr=True, force_terminal=True, width=21))
    assert log.fit_to_width(text) == expected


def test_lines_that_are_not_for_a_terminal_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(log, "console", Console(stderr=True, force_terminal=False, width=21))
    assert log.fit_to_width("a b " * 20) == "a b " * 20
