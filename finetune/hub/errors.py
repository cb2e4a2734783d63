"""Errors of the Hub's clients while something is pushed, as one clear message."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from finetune.errors import UserError
from finetune.hub.retry import chain, is_momentary, reason

LOGIN = "`hf auth login` with a token that may write, or HF_TOKEN=... in the environment"


@contextmanager
def as_user_error(name: str) -> Iterator[None]:
    """Turn errors of the Hub and its clients inside this block into user errors.

    Args:
        name: Name of the repository that is written in the block.

    Raises:
        UserError: Offline mode is on, there is no token (no request is sent then), or the Hub or its clients raise an
            error in the block.
    """
    if constants.is_offline_mode():
        raise UserError(f"nothing can be pushed to {name}: offline mode is on", fix="unset HF_HUB_OFFLINE")
    if get_token() is None:
        raise UserError(f"nobody is logged in to the Hub, so {name} cannot be written", fix=LOGIN)
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        explained = _explain(error, name)
        if explained is None:
            raise
        raise explained from error


def _explain(error: Exception, name: str) -> UserError | None:
    if isinstance(error, HFValidationError):
        return UserError(f"{name!r} is not the name of a repository", expected="user/name", found=str(error))
    answers = [link for link in chain(error) if isinstance(link, HfHubHTTPError)]
    if answers:
        return _refused(answers[0], name)
    if isinstance(error, LocalTokenNotFoundError):
        return UserError(f"nobody is logged in to the Hub, so {name} cannot be written", fix=LOGIN)
    if is_momentary(error) or isinstance(error, OfflineModeIsEnabled):
        return UserError(
            f"the connection to the Hub broke while writing to {name}",
            found=f"{constants.ENDPOINT}: {reason(error)}",
            fix="push again when it is back: what has arrived is not sent twice",
        )
    if isinstance(error, ValueError) and "README.md" in str(error):
        return UserError("the Hub does not accept the model card", where="README.md", found=str(error))
    return None


def _refused(error: HfHubHTTPError, name: str) -> UserError:
    status = error.response.status_code
    message = error.server_message or str(error).strip().splitlines()[0]
    if status == 401 and "credentials" in (error.response.headers.get("X-Error-Message") or message):
        return UserError("the Hub does not know the token", where=_token_place(), found=message, fix=LOGIN)
    if status in (401, 403) or isinstance(error, RepositoryNotFoundError):
        return UserError(
            f"the repository {name} cannot be written with this token",
            expected="a name of yours, user/name, and a token that may write",
            found=_identity(message),
            where=_token_place(),
            fix=LOGIN + ", or another name",
        )
    if is_momentary(error):
        return UserError(
            f"the Hub answers with {status} again and again while {name} is written",
            found=message,
            fix="push again later: what has arrived is not sent twice",
        )
    return UserError(f"the Hub refuses to take {name}: {status}", found=message)


def _token_place() -> str:
    return "HF_TOKEN in the environment" if os.environ.get("HF_TOKEN") else str(constants.HF_TOKEN_PATH)


def _identity(message: str) -> str:
    """Return who is logged in and the role of the token, if the Hub says so, followed by `message`."""
    try:
        account = HfApi().whoami()
    except Exception:  # a detail of another message; that one is what matters
        return message
    token = account.get("auth", {}).get("accessToken", {})
    role = f" with a token of role {token['role']}" if "role" in token else ""
    return f"logged in as {account['name']}{role}; {message}"


def also(error: UserError, fix: str) -> UserError:
    """Return a copy of an error with one more fix."""
    fixes = [error.fix, fix] if error.fix else [fix]
    return UserError(error.problem, expected=error.expected, found=error.found, where=error.where, fix="; ".join(fixes))
