"""How mistakes in data are told: in which lines, of how many, and once for all splits that share one."""

import unicodedata
from collections.abc import Sequence
from typing import Literal

from finetune.data.fields import Field
from finetune.errors import UserError, nearest, raise_all, single_errors

SHOWN = 5
"""How many wrong rows a message lists."""

LONGEST = 60
"""Letters of a name that a message shows."""

Unit = Literal["line", "row"]
"""What rows are counted in: lines of a file from 1, or rows from 0."""


def places(name: str, unit: Unit, numbers: Sequence[int]) -> str:
    """Return the first few places in a source: `train.csv, lines 3, 7`."""
    shown = ", ".join(str(number) for number in numbers[:SHOWN])
    more = f" and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
    counted = " (counted from 0)" if unit == "row" else ""
    return f"{name}, {unit if len(numbers) == 1 else unit + 's'} {shown}{more}{counted}"


def plural(count: int, noun: str) -> str:
    """Return a number and a noun, which is in the plural unless the number is 1: `1 row`, `2 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shorten_list(names: Sequence[str], most: int = 20) -> str:
    """Return the first few names as a text for a message, each shortened where it is long."""
    shown = [name if len(name) <= LONGEST else name[: LONGEST - 3] + "..." for name in names[:most]]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown) + more


def escaped(name: str) -> str:
    """Return a name for a message, with invisible and ambiguous characters written as escapes."""
    return name if _is_plain(name) else ascii(name)


def quoted(name: str) -> str:
    """Return `escaped(name)` in quotation marks."""
    return repr(name) if _is_plain(name) else ascii(name)


def _is_plain(name: str) -> bool:
    return name.isprintable() and name == unicodedata.normalize("NFC", name) and name == name.strip()


def missing_columns(name: str, fields: Sequence[Field], found: Sequence[str], hint: str = "") -> list[UserError]:
    """Return one error for each field whose column is not among those found."""
    return [
        UserError(
            f"there is no column {field.column!r}" + (", which a mask reads" if field.hint else ""),
            where=name,
            found="the columns " + shorten_list(found),
            fix=_fix(field, nearest(field.column, [*found, *field.alternatives]), hint),
        )
        for field in fields
        if field.column not in found
    ]


def _fix(field: Field, close: str | None, hint: str) -> str:
    if field.hint is None:
        return f"{field.key}={close or '...'}{hint}"
    return field.hint + (f"; did you mean {close!r}?" if close else "")


def raise_merged(errors: Sequence[UserError]) -> None:
    """Raise the errors collected over the splits; one that several splits share is raised once, with all places."""
    groups: dict[tuple[str, str | None], list[UserError]] = {}
    for error in single_errors(errors):
        groups.setdefault((error.problem, error.fix), []).append(error)
    raise_all([_merge(group) for group in groups.values()])


def _merge(group: Sequence[UserError]) -> UserError:
    first = group[0]
    where = "; ".join(dict.fromkeys(error.where for error in group if error.where))
    return UserError(first.problem, expected=first.expected, found=first.found, where=where or None, fix=first.fix)
