"""Tables for tests of single decisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.drafting.columns import DataColumns
from finetune.drafting.keys import DraftedKey
from finetune.drafting.profiles import profile_columns

REVIEWS = [f"The film number {number} was a joy to watch" for number in range(40)]


def table(columns: Mapping[str, Sequence[Any]], given: Mapping[str, Any] = {}, *, is_whole: bool = True) -> DataColumns:
    return DataColumns("a.csv", columns, profile_columns(columns), given, is_whole)


def values(keys: Sequence[DraftedKey]) -> dict[str, Any]:
    return {one.key: one.value for one in keys}
