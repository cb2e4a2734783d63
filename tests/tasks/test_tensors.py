"""Ragged streams and padded rows hold the same values and have the same losses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.features import Column
from finetune.tasks.batch import IGNORE_INDEX
from finetune.tasks.tensors import cross_entropy, example_losses, example_rows, lay_out, layout_of, valid_rows

ROWS = st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=4)


def column(rows: list[list[int]]) -> Column:
    return Column(np.array([value for row in rows for value in row], dtype=np.int64), np.cumsum([0, *map(len, rows)]))


@given(ROWS)
def test_streams_and_padded_rows_hold_the_same_values(rows: list[list[int]]) -> None:
    labels = column(rows)
    stream, padded = (lay_out(labels, -1, ragged=ragged) for ragged in (True, False))
    assert example_rows(stream, layout_of(labels)) == rows
    assert [row[: len(values)] for row, values in zip(example_rows(padded), rows, strict=True)] == rows
    assert torch.equal(padded != -1, valid_rows(labels))


@given(ROWS, st.integers(0, 2**31))
def test_streams_and_padded_rows_have_the_same_losses(rows: list[list[int]], seed: int) -> None:
    labels = column(rows)
    generator = torch.Generator().manual_seed(seed)
    stream = torch.randn(1, len(labels.values), 5, generator=generator)
    padded = torch.zeros(*valid_rows(labels).shape, 5)
    padded[valid_rows(labels)] = stream[0]
    ragged_ids, padded_ids = (lay_out(labels, IGNORE_INDEX, ragged=ragged) for ragged in (True, False))
    by_example = example_losses(stream, ragged_ids, layout_of(labels))
    assert by_example == pytest.approx(example_losses(padded, padded_ids), abs=1e-5)
    assert sum(by_example) == pytest.approx(cross_entropy(stream, ragged_ids).item(), abs=1e-4)


def test_weights_multiply_losses_and_ignored_targets_have_none() -> None:
    logits, label_ids = torch.zeros(3, 4), torch.tensor([1, IGNORE_INDEX, 2])
    plain = cross_entropy(logits, label_ids)
    assert plain.item() == pytest.approx(2 * np.log(4))
    weighted = cross_entropy(logits, label_ids, weights=torch.tensor([3.0, 5.0, 1.0]))
    assert weighted.item() == pytest.approx(4 * np.log(4))


def test_losses_are_computed_in_float32() -> None:
    logits = torch.zeros(2, 3, dtype=torch.bfloat16)
    assert cross_entropy(logits, torch.tensor([0, 1])).dtype == torch.float32
