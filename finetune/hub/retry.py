"""Repeats requests that failed because the Hub, or the connection to it, was in trouble for a moment."""

# The loop in `retry` is written out because a library would not make it shorter: tenacity needs the same predicate, the
# same message and the same waits as arguments, and is one more dependency. huggingface_hub's `http_backoff` repeats
# single HTTP requests, whereas a commit consists of several, some of which its client does not repeat.

import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from finetune.progress import say

ResultT = TypeVar("ResultT")

WAITS = (2.0, 8.0)
"""Seconds to wait before the second and the third attempt; the Hub's client also repeats some requests by itself."""
MOMENTARY = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses of errors that may pass."""


def retry(attempt: Callable[[], ResultT]) -> ResultT:
    """Return what `attempt` returns, and repeat it after a server error of the Hub or a broken connection.

    Args:
        attempt: A function that sends requests to the Hub; it is called up to three times.

    Raises:
        Exception: The exception of the last attempt, or one that another attempt would not avoid.
    """
    for wait in WAITS:
        try:
            return attempt()
        except Exception as error:
            if not is_momentary(error):
                raise
            say(f"the Hub: {reason(error)}; trying again in {wait:.0f} s")
            time.sleep(wait)
    return attempt()


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and its causes, the outermost first."""
    links = [error]
    while (link := links[-1].__cause__ or links[-1].__context__) is not None:
        links.append(link)
    return links


def is_momentary(error: BaseException) -> bool:
    """Return whether an exception reports an error that may pass."""
    statuses = [link.response.status_code for link in chain(error) if isinstance(link, HfHubHTTPError)]
    if statuses:
        return statuses[0] in MOMENTARY
    return any(isinstance(link, httpx2.TransportError | ConnectionError) for link in chain(error))


def reason(error: BaseException) -> str:
    """Return the innermost cause of an exception in one line."""
    cause = chain(error)[-1]
    return f"{type(cause).__name__}: {(str(cause).strip() or 'no more is known').splitlines()[0]}"
