"""Requests are repeated after errors that may pass, and after no others."""

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError

from finetune.hub.retry import MOMENTARY, WAITS, chain, is_momentary, reason, retry


def answer(status: int) -> HfHubHTTPError:
    request = httpx2.Request("GET", "https://example.org")
    return HfHubHTTPError(f"status {status}", response=httpx2.Response(status, request=request))


class Attempt:
    """Raises the given errors one after another, and then returns."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("error", [answer(503), httpx2.ConnectError("refused"), ConnectionResetError("reset")])
def test_an_error_that_passes_is_no_error(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    attempt = Attempt(error, error)
    assert retry(attempt) == "done"
    assert attempt.calls == 3
    said = " ".join(capsys.readouterr().err.split())
    assert all(f"trying again in {wait:.0f} s" in said for wait in WAITS)


def test_the_last_error_is_raised() -> None:
    attempt = Attempt(*(answer(500) for _ in range(9)))
    with pytest.raises(HfHubHTTPError):
        retry(attempt)
    assert attempt.calls == len(WAITS) + 1


@pytest.mark.parametrize("error", [answer(403), ValueError("wrong")])
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    attempt = Attempt(error)
    with pytest.raises(type(error)):
        retry(attempt)
    assert attempt.calls == 1


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, *MOMENTARY])
def test_the_outermost_status_decides(status: int) -> None:
    error = RuntimeError("outer")
    error.__cause__ = answer(status)
    error.__cause__.__context__ = answer(500)
    assert is_momentary(error) == (status in MOMENTARY)


def test_the_reason_is_the_innermost_cause_in_one_line() -> None:
    error = RuntimeError("outer")
    error.__cause__ = ValueError("inner\nmore")
    assert chain(error) == [error, error.__cause__]
    assert reason(error) == "ValueError: inner"
    assert reason(ValueError()) == "ValueError: no more is known"
