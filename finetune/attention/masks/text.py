"""How the arguments of masks are written in text."""

import json
import re

NAME = r"[^\W\d]\w*"
"""Names that need no quotes in text."""


def write_argument(argument: object) -> str:
    """Return an argument in the text of a mask; a name stands without quotes where the parser can read it so."""
    if isinstance(argument, str) and not re.fullmatch(NAME, argument):
        return json.dumps(argument, ensure_ascii=False)
    return str(argument)
