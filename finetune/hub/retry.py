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
"""Seconds before the second try and the last; within each, the Hub's client repeats some requests by itself."""
MOMENTARY = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses that may be others the next time."""


def retry(attempt: Callable[[], ResultT]) -> ResultT:
    """What `attempt` gives; it is made again after a while where the Hub answers with a server's error or breaks off.

    Raises:
        Exception: That of the last attempt, or one that another attempt would not mend.
    """
    for wait in WAITS:
        try:
            return attempt()
        except Exception as error:  # sorted out by is_momentary
            if not is_momentary(error):
                raise
            say(f"the Hub: {reason(error)}; trying again in {wait:.0f} s")
            time.sleep(wait)
    return attempt()


def chain(error: BaseException) -> list[BaseException]:
    """The exception and those it came from, outermost first."""
    links = [error]
    while (link := links[-1].__cause__ or links[-1].__context__) is not None:
        links.append(link)
    return links


def is_momentary(error: BaseException) -> bool:
    """Whether an exception tells of trouble that may pass."""
    statuses = [link.response.status_code for link in chain(error) if isinstance(link, HfHubHTTPError)]
    if statuses:
        return statuses[0] in MOMENTARY
    return any(isinstance(link, httpx2.TransportError | ConnectionError) for link in chain(error))


def reason(error: BaseException) -> str:
    """The innermost cause in one line."""
    cause = chain(error)[-1]
    return f"{type(cause).__name__}: {(str(cause).strip() or 'no more is known').splitlines()[0]}"
