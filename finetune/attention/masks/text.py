"""How the arguments of masks are written in text."""

import json
import re

NAME = r"[^\W\d]\w*"
"""The regular expression of names that need no quotes in text."""


def write_argument(argument: object) -> str:
    """Return how an argument is written in the text of a mask; a name has quotes only where the parser needs them."""
    if isinstance(argument, str) and not re.fullmatch(NAME, argument):
        return json.dumps(argument, ensure_ascii=False)
    return str(argument)
