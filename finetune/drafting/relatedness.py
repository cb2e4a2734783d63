"""Whether two columns of texts belong together, row by row."""

import re
from collections.abc import Sequence
from typing import Any

from finetune.drafting.languages import mean

_ROWS = 300
_TIMES = 2.0
"""How many times as many words two texts of one row share as texts of different rows do."""


def are_related(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Return whether the two texts of a row share clearly more words than texts of different rows.

    Args:
        first: The texts of one column.
        second: Those of the other column, in the same rows.
    """
    pairs = [
        (_words(one), _words(two))
        for one, two in zip(first[:_ROWS], second[:_ROWS], strict=True)
        if isinstance(one, str) and isinstance(two, str)
    ]
    if len(pairs) < 2:
        return False
    shifted = [(one, pairs[number - 1][1]) for number, (one, _) in enumerate(pairs)]
    together, apart = (mean([_shared(*pair) for pair in some]) for some in (pairs, shifted))
    return together > 0.05 and together > _TIMES * apart


def _words(text: str) -> frozenset[str]:
    """Return the words of a text, and each character of a script without spaces."""
    return frozenset(re.findall(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]|[^\W_]+", text.lower()))


def _shared(one: frozenset[str], two: frozenset[str]) -> float:
    return len(one & two) / max(len(one | two), 1)
