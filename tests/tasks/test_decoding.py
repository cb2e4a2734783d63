"""The decoder's inputs and targets: shifted by one, without the prompt, up to the end."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig

from finetune.data.features import Column
from finetune.tasks.batch import IGNORE_INDEX
from finetune.tasks.decoding import ignore_prompt, shift_right, up_to_end

ROWS = st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=6), min_size=1, max_size=4)


def column(rows: list[list[int]]) -> Column:
    return Column(np.array([value for row in rows for value in row], dtype=np.int64), np.cumsum([0, *map(len, rows)]))


def rows_of(given: Column) -> list[list[int]]:
    return [row.tolist() for row in given.rows()]


@given(ROWS)
def test_each_row_is_read_one_token_late_after_the_start(rows: list[list[int]]) -> None:
    labels = column(rows)
    assert rows_of(shift_right(labels, 0)) == [[0, *row[:-1]] for row in rows]
    assert rows_of(labels) == rows, "the labels themselves stay as they are"


@given(ROWS, st.integers(0, 3))
def test_the_prompt_is_no_target(rows: list[list[int]], length: int) -> None:
    labels = column(rows)
    assert rows_of(ignore_prompt(labels, length)) == [[IGNORE_INDEX] * length + row[length:] for row in rows]
    assert rows_of(labels) == rows


@pytest.mark.parametrize(("end", "expected"), [(2, [2, 4, 1]), ([2, 3], [2, 3, 1]), (None, [4, 4, 4])])
def test_text_goes_up_to_the_first_end_token_and_with_it(end: int | list[int] | None, expected: list[int]) -> None:
    ids = torch.tensor([[5, 2, 2, 5], [5, 5, 3, 5], [2, 5, 5, 5]])
    found = up_to_end(ids, GenerationConfig(eos_token_id=end))  # type: ignore[no-untyped-call]
    assert found.sum(dim=1).tolist() == expected
    assert torch.equal(found, torch.arange(4) < torch.tensor(expected)[:, None])
