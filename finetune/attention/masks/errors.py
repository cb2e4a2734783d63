"""Errors of masks. All are ValueErrors, so that pydantic and callers can catch them as such."""

import difflib
from collections.abc import Iterable

SHOWN = 200
"""Characters of a text that are shown before and after the place at fault."""


class MaskError(ValueError):
    """A mask cannot be built or evaluated."""


class MaskArgumentError(MaskError):
    """An argument of a mask has the wrong type or is out of range.

    Args:
        problem: One sentence that says what is wrong.
        argument: The wrong argument, by which the parser finds its place in the text.
    """

    def __init__(self, problem: str, argument: object) -> None:
        super().__init__(problem)
        self.argument = argument


class MaskSyntaxError(MaskError):
    """The text of a mask cannot be read. The message shows the line, with a caret under the place of the mistake.

    Args:
        problem: One sentence that says what is wrong.
        text: The whole text.
        position: Index into `text` of the character at fault; len(text) where something is missing at the end.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        self.problem = problem
        self.text = text
        self.position = position
        start = max(text.rfind("\n", 0, position) + 1, position - SHOWN)
        line = text[start : position + SHOWN].split("\n", 1)[0]
        super().__init__(f"{problem}\n  {line}\n  {' ' * (position - start)}^")


class HeadCountError(MaskError):
    """A mask does not fit the number of attention heads.

    Args:
        problem: One sentence that says what is wrong.
        multiple_of: The number of heads must be a multiple of this number.
    """

    def __init__(self, problem: str, multiple_of: int) -> None:
        super().__init__(problem)
        self.multiple_of = multiple_of


class MissingColumn(MaskError):
    """A mask reads a column or a value that the examples do not have.

    Args:
        kind: What is missing: "token column" or "example's value".
        name: Name of what is missing.
        present: Names of the columns or values that the examples have.
    """

    def __init__(self, kind: str, name: str, present: Iterable[str]) -> None:
        names = sorted(present)
        known = f"there are {', '.join(names)}" if names else "there are none"
        super().__init__(f"the mask reads the {kind} {name!r}, which is not given; {known}{did_you_mean(name, names)}")


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence that proposes the choice most like `name`; "" where no choice is like it."""
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""
