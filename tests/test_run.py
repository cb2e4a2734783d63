"""The exit status of a run: 0, 2 after a mistake of the user, 130 or 143 after a signal."""

import signal
from typing import Any

import pytest

from finetune import compose, run
from finetune.errors import Interrupted, UserError

RECIPE = compose.load_recipe("sst2")


def raising(error: BaseException) -> Any:
    def run_recipe(recipe: object) -> None:
        raise error

    return run_recipe


@pytest.mark.parametrize(
    ("error", "expected", "told"),
    [
        (Interrupted(signal.SIGTERM, "finetune run resume=here"), 143, "finetune run resume=here"),
        (KeyboardInterrupt(), 130, "resume=auto"),
    ],
)
def test_a_signal_has_its_status_and_says_how_to_resume(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    expected: int,
    told: str,
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(run, "run_recipe", raising(error))
    assert run.status(RECIPE) == expected
    assert told in capsys.readouterr().err


def test_one_of_several_processes_says_how_to_resume(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(run, "run_recipe", raising(Interrupted(signal.SIGTERM, "finetune run")))
    assert run.status(RECIPE) == 143
    assert capsys.readouterr().err == ""


def test_a_mistake_has_status_2_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_recipe", raising(UserError("the data is wrong", fix="mend it")))
    assert run.main(["recipe=sst2"]) == 2
    assert capsys.readouterr().err == "error: the data is wrong\n  fix:      mend it\n"


def test_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--help"]) == 0
    assert "accelerate launch finetune/run.py" in capsys.readouterr().out
