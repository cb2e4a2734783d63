"""What the decisions about columns share: the columns, what the user has given, and errors where nothing decides."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.data.messages import plural, shorten_list
from finetune.drafting.keys import DraftedKey
from finetune.drafting.profiles import ColumnProfile, Content
from finetune.errors import UserError, nearest

_SHOWN = 4
_CONTENT: Mapping[Content, str] = {
    "nothing": "one value or none",
    "text": "texts",
    "name": "short texts",
    "class": "classes",
    "number": "numbers",
    "label_list": "lists of labels",
    "list": "lists",
    "identifier": "identifiers",
}
_OPTIONS = {"text_pair": "text-pair", "tokens": "text", "labels": "label"}
"""The options that name the columns of roles, where they are called otherwise."""


@dataclass(frozen=True)
class DataColumns:
    """The columns that are looked at, and what the user has said of them.

    Args:
        name: The file or files, for messages.
        columns: The values of each column.
        profiles: What each column holds.
        given: Keys of the recipe that the user has given.
        is_whole: Whether the file has no other rows.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    profiles: Mapping[str, ColumnProfile]
    given: Mapping[str, Any]
    is_whole: bool = True

    def given_column(self, role: str) -> str | None:
        """Return the column that the user has given for a role, such as `label`; None where none is.

        Raises:
            UserError: There is no such column.
        """
        column = self.given.get(f"data.columns.{role}")
        return None if column is None or isinstance(column, list | tuple) else self.column(role, str(column))

    def column(self, role: str, name: str) -> str:
        """Return the name of a column that the user has given for a role.

        Raises:
            UserError: There is no such column.
        """
        if name not in self.columns:
            near = nearest(name, self.columns) or next(iter(self.columns), "...")
            raise UserError(
                f"there is no column {name!r}",
                where=self.name,
                found="the columns " + shorten_list(list(self.columns)),
                fix=f"--{_OPTIONS.get(role, role)} {quoted(near)}",
            )
        return name

    def texts(self, column: str) -> list[str]:
        """Return the texts of a column, without empty ones."""
        return [value for value in self.profiles[column].values if isinstance(value, str)]

    def of(self, *contents: str) -> list[ColumnProfile]:
        """Return the columns that hold one of these contents."""
        return [profile for profile in self.profiles.values() if profile.content in contents]


def others_note(others: Sequence[ColumnProfile], option: str) -> str:
    """Return a sentence on columns that would fit as well; empty where there are none."""
    if not others:
        return ""
    shown = ", ".join(one.described for one in others[:_SHOWN])
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return f"{shown}{more} would fit, too ({option} {quoted(others[0].name)})"


def quoted(name: str) -> str:
    """Return a name as a shell takes it."""
    return shlex.quote(name)


def undecided(role: str, found: Iterable[ColumnProfile], option: str, where: str) -> UserError:
    """Return the error for a role that several columns could have, with nothing to decide."""
    found = list(found)
    more = f" and {len(found) - 2 * _SHOWN} more" if len(found) > 2 * _SHOWN else ""
    return UserError(
        f"nothing tells which column holds {role}",
        where=where,
        found="candidates are " + ", ".join(one.described for one in found[: 2 * _SHOWN]) + more,
        fix=f"{option} {quoted(found[0].name)}, say",
    )


def absent(role: str, table: DataColumns, option: str) -> UserError:
    """Return the error for a role that no column seems to have."""
    held = [f"{name!r} ({_CONTENT[profile.content]})" for name, profile in table.profiles.items()]
    lists = [name for name, profile in table.profiles.items() if profile.content == "list"]
    joined = "; lists of texts are joined by a function (data.function in a recipe of your own)" if lists else ""
    return UserError(
        f"no column seems to hold {role}",
        where=table.name,
        found="the columns " + (shorten_list(held) or "none"),
        fix=f"{option} names it; --task names the task{joined}",
    )


def empty_keys(keys: Iterable[DraftedKey], table: DataColumns) -> list[DraftedKey]:
    """Return the key that leaves out rows that are empty in a column that is read; none where no row is.

    Args:
        keys: The keys of the task and its columns.
        table: The data.
    """
    found = {one.key: one.value for one in keys if isinstance(one.value, str)}
    roles = [f"data.columns.{role}" for role in ("text", "text_pair", "label", "source", "target")]
    read = [found[role] for role in roles if role in found]
    of_labels = found.get("data.columns.label") if found.get("task.problem_type") == "multi_label" else None
    counts = {
        column: empty
        for column in read
        if column != of_labels and (empty := len(table.columns[column]) - len(table.profiles[column].values))
    }
    if not counts:
        return []
    shown = ", ".join(f"{plural(count, 'row')} in {column!r}" for column, count in counts.items())
    return [
        DraftedKey(
            "data.on_empty", "skip", f"empty: {shown}", "these rows are left out; data.on_empty=refuse stops at them"
        )
    ]
