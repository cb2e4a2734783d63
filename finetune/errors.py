"""Mistakes a user can mend, told the same way everywhere.

A `UserError` says what is wrong, what was expected, what was found, where, and how to fix it. The command line
prints it without a traceback and exits with status 2; library callers catch it as an ordinary exception.
"""

import difflib
import signal
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """One mistake of the user's.

    Args:
        problem: One sentence, what is wrong.
        expected: What would have been right.
        found: What was there instead.
        where: File and row, split, column or recipe key.
        fix: What to do now: a command, a key, an edit.
    """

    def __init__(
        self,
        problem: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.problem = problem
        self.expected = expected
        self.found = found
        self.where = where
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        details = {"where": self.where, "expected": self.expected, "found": self.found, "fix": self.fix}
        lines = [self.problem] + [f"  {name + ':':9} {text}" for name, text in details.items() if text]
        return "\n".join(lines)


class UserErrors(UserError):
    """Several mistakes, shown at once so that they can be mended at once."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} mistakes")

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class MissingExtra(UserError):
    """An optional dependency is needed and not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs a package that is not installed",
            fix=f"pip install 'finetune-masks[{extra}]' (in a checkout: pip install -e '.[{extra}]')",
        )


class Interrupted(Exception):
    """A run was told to end by a signal, and has saved where it stands.

    Args:
        number: The signal.
        command: What goes on with the run.
    """

    def __init__(self, number: int, command: str) -> None:
        self.number = number
        self.command = command
        super().__init__(f"{signal.Signals(number).name}: the run is saved; to go on:\n  {command}")

    @property
    def status(self) -> int:
        """Exit status of a process that ends by the signal, as shells count: 143 for SIGTERM, 130 for Ctrl-C."""
        return 128 + self.number


def raise_all(errors: Sequence[UserError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UserErrors(errors)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice most like `name`, or None where nothing comes close."""
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return matches[0] if matches else None
