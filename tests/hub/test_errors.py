"""Whatever the Hub's clients raise becomes one message that says what to do."""

from collections.abc import Callable

import httpx2
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from finetune.errors import UserError
from finetune.hub.errors import also, as_user_error

NAME = "ada/films"


def answer(status: int) -> Exception:
    request = httpx2.Request("POST", "https://example.org")
    return HfHubHTTPError(f"status {status}", response=httpx2.Response(status, request=request))


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: answer(503), "the Hub answers with 503 again and again"),
        (lambda: answer(418), f"the Hub refuses to take {NAME}: 418"),
        (lambda: httpx2.ConnectError("refused"), "the connection to the Hub broke"),
        (lambda: ValueError("Invalid metadata in README.md"), "does not accept the model card"),
    ],
)
def test_errors_of_the_hub_are_explained(make: Callable[[], Exception], problem: str) -> None:
    with pytest.raises(UserError, match=problem), as_user_error(NAME):
        raise make()


@pytest.mark.usefixtures("ada")
def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), as_user_error(NAME):
        raise ZeroDivisionError
    mistake = UserError("a mistake")
    with pytest.raises(UserError) as caught, as_user_error(NAME):
        raise mistake
    assert caught.value is mistake


def test_no_request_is_sent_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.hub.errors.get_token", lambda: None)
    with pytest.raises(UserError, match="nobody is logged in"), as_user_error(NAME):
        pytest.fail("the block was entered")


@pytest.mark.usefixtures("ada")
def test_no_request_is_sent_in_offline_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="offline mode is on"), as_user_error(NAME):
        pytest.fail("the block was entered")


def test_a_fix_is_added() -> None:
    error = UserError("wrong", where="here", fix="do this")
    assert also(error, "or that").fix == "do this; or that"
    assert also(UserError("wrong"), "do that").fix == "do that"
    assert (also(error, "or that").problem, also(error, "or that").where) == ("wrong", "here")
