"""Trouble on purpose: requests that are answered with an error, and connections that break in the middle."""

import re
from dataclasses import dataclass
from threading import Event
from typing import Literal, TypeAlias

Answer: TypeAlias = int | Literal["break"] | Event


@dataclass
class Fault:
    """What happens to the next requests that a pattern names.

    Args:
        pattern: A regular expression found in "METHOD /path".
        answer: An HTTP status; or break, when the connection closes in the middle of the body that is sent or read; or
            an event that the answer waits for.
        times: How often; then requests are answered again.
    """

    pattern: str
    answer: Answer
    times: int

    def strikes(self, request: str) -> bool:
        """Whether it happens to this request, which then counts."""
        if self.times < 1 or not re.search(self.pattern, request):
            return False
        self.times -= 1
        return True
