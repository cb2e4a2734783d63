"""Exceptions for mistakes that the user can fix, with messages of one form.

A `UserError` says what is wrong, what was expected, what was found, where, and how to fix it. The command line prints
it without a traceback and exits with status 2; in Python it is an ordinary exception.
"""

import difflib
import signal
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A mistake of the user.

    Args:
        problem: One sentence that says what is wrong.
        expected: What would have been right.
        found: What was found instead.
        where: File and row, split, column or key of the recipe.
        fix: A command, a value of a key or an edit that fixes it.
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
        self.resume: str | None = None
        """The command that resumes the run that the mistake ended; None where there is nothing to resume."""
        super().__init__(str(self))

    def __str__(self) -> str:
        details = {
            "where": self.where,
            "expected": self.expected,
            "found": self.found,
            "fix": self.fix,
            "resume": self.resume,
        }
        lines = [self.problem] + [f"  {name + ':':9} {text}" for name, text in details.items() if text]
        return "\n".join(lines)


class UserErrors(UserError):
    """Several mistakes, shown together so that they can be fixed together.

    Args:
        errors: The mistakes, in the order in which they are shown.
    """

    def __init__(self, errors: Sequence[UserError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} mistakes")

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class MissingExtra(UserError):
    """An optional dependency is needed and not installed.

    Args:
        feature: The key or the feature that needs it.
        extra: Name of the extra of finetune-masks that installs it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs a package that is not installed",
            fix=f"pip install 'finetune-masks[{extra}]' (in a checkout: pip install -e '.[{extra}]')",
        )


class Interrupted(Exception):
    """A run received a signal to end, and has saved a checkpoint.

    Args:
        number: Number of the signal.
        command: The command that resumes the run.
    """

    def __init__(self, number: int, command: str) -> None:
        self.number = number
        self.command = command
        super().__init__(f"{signal.Signals(number).name}: the run is saved; to resume it:\n  {command}")

    @property
    def status(self) -> int:
        """Exit status after the signal, by the convention of shells: 143 for SIGTERM, 130 for Ctrl-C."""
        return 128 + self.number


def raise_all(errors: Sequence[UserError]) -> None:
    """Raise the collected errors: none, the only one, or all of them as one `UserErrors`."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UserErrors(errors)


def single_errors(errors: Iterable[UserError]) -> list[UserError]:
    """Return the errors in order, with each `UserErrors` among them replaced by the errors that it holds."""
    found: list[UserError] = []
    for error in errors:
        found += single_errors(error.errors) if isinstance(error, UserErrors) else [error]
    return found


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is most similar to `name`, or None if none is similar."""
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return matches[0] if matches else None
