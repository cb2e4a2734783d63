"""Features in flat arrays read as the data set does, whatever part of it and however it is stored."""

from random import Random

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, concatenate_datasets
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.features import Features

ROWS = st.lists(st.lists(st.integers(-100, 2**31 - 1), max_size=6), min_size=1, max_size=20)


def stored(rows: list[list[int]]) -> Dataset:
    words = pa.array([str(row) for row in rows])
    columns = {"input_ids": pa.array(rows, pa.list_(pa.int32())), "length": [len(row) for row in rows], "text": words}
    return Dataset(pa.table(columns | {"cut": [False] * len(rows)}))


def read(features: Features) -> list[tuple[list[int], int]]:
    return [(row["input_ids"].tolist(), row["length"]) for row in features]


@given(ROWS, st.randoms(use_true_random=False))
def test_rows_read_as_they_were_written(rows: list[list[int]], random: Random) -> None:
    dataset = concatenate_datasets([stored(rows), stored(rows[::-1])])  # two chunks
    written = [(row, len(row)) for row in [*rows, *rows[::-1]]]
    assert read(Features.of(dataset)) == written
    order = random.choices(range(len(written)), k=5)
    assert read(Features.of(dataset.select(order))) == [written[index] for index in order]
    taken = Features.of(dataset).take(np.array(order))
    assert read(taken) == [written[index] for index in order]
    assert [taken[index]["length"] for index in range(len(taken))] == [written[index][1] for index in order]


def test_only_integers_are_kept() -> None:
    assert set(Features.of(stored([[1]])).columns) == {"input_ids", "length"}


def test_a_batch_is_a_stream_with_offsets() -> None:
    taken = Features.of(stored([[1, 2], [], [3], [4, 5, 6]])).take(np.array([3, 1, 0]))
    column = taken.columns["input_ids"]
    assert column.values.tolist() == [4, 5, 6, 1, 2]
    assert column.offsets is not None
    assert column.offsets.tolist() == [0, 3, 3, 5]
    assert column.values.dtype == taken.columns["length"].values.dtype == np.int64


def test_rows_are_found_as_in_any_sequence() -> None:
    features = Features.of(stored([[1, 2], [3]]))
    assert features[-1]["input_ids"].tolist() == [3]
    assert [row["length"] for row in features[:1]] == [2]
    assert len(features) == 2
    with pytest.raises(IndexError):
        features[2]
