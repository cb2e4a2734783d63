"""Bad rows are collected by kind, and reported together."""

from collections.abc import Sequence

import pytest

from finetune.data.files.bad_rows import BadRow, RejectedRows
from finetune.errors import UserError, UserErrors


def error(numbers: Sequence[int], first: BadRow) -> UserError:
    return UserError(f"{first.kind} {first.found}: {list(numbers)}")


def test_no_bad_rows_raise_nothing() -> None:
    RejectedRows(error).raise_errors()


def test_each_kind_is_one_error_with_all_its_rows() -> None:
    rejected = RejectedRows(error)
    rejected.add(3, BadRow("", kind="cells", found="2 cells"))
    rejected.add(7, BadRow("", kind="json", found="broken"))
    rejected.add(9, BadRow("", kind="cells", found="4 cells"))
    with pytest.raises(UserErrors) as caught:
        rejected.raise_errors()
    assert [one.problem for one in caught.value.errors] == ["cells 2 cells: [3, 9]", "json broken: [7]"]


def test_broken_quoting_is_reported_at_once_with_the_rows_before_it() -> None:
    rejected = RejectedRows(error)
    rejected.add(3, BadRow("", kind="cells", found="2 cells"))
    with pytest.raises(UserErrors, match="quoting"):
        rejected.add(4, BadRow("", kind="quoting"))
