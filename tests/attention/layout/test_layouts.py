import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import (
    LayoutError,
    Padded,
    PaddingSide,
    Ragged,
    pad,
    padded_mask,
    ragged_mask,
    unpad,
)
from finetune.attention.masks import causal, same
from tests.attention.layout.batches import Batch, batches, padded_with, sides

properties = settings(deadline=None, max_examples=100)


@properties
@given(batch=batches(), side=sides, extra=st.integers(0, 2))
def test_conversions_keep_every_token(batch: Batch, side: PaddingSide, extra: int) -> None:
    stream = batch.queries
    rows = padded_with(stream, side, extra)
    again = rows.to_ragged()
    assert torch.equal(again.cu_seqlens, stream.cu_seqlens)
    assert torch.equal(rows.lengths, stream.lengths)
    for name, column in stream.columns.items():
        assert torch.equal(again.columns[name], column)
    assert torch.equal(again.values["source_length"], stream.values["source_length"])
    assert torch.equal(unpad(rows.positions, rows), stream.positions)
    hidden = torch.randn(stream.total, 2, 3)
    assert torch.equal(unpad(pad(hidden, rows), rows), hidden)
    assert pad(hidden, rows, fill=7.0)[~rows.valid].eq(7.0).all()


@properties
@given(batch=batches(), side=sides, extra=st.integers(0, 2))
def test_an_attention_mask_describes_its_layout(batch: Batch, side: PaddingSide, extra: int) -> None:
    rows = padded_with(batch.queries, side, extra)
    told = Padded.from_attention_mask(rows.valid.long(), rows.columns, rows.values)
    assert torch.equal(told.lengths, rows.lengths)
    assert torch.equal(told.valid, rows.valid)
    assert torch.equal(unpad(told.positions, told), batch.queries.positions)


def test_padding_may_stand_on_both_sides() -> None:
    layout = Padded.from_attention_mask(torch.tensor([[False, True, True, False]]))
    assert padded_mask(causal(), layout)[0, 0].int().tolist() == [[0] * 4, [0, 1, 0, 0], [0, 1, 1, 0], [0] * 4]


def test_gradients_pass_through_conversions() -> None:
    rows = Ragged.from_lengths([2, 0, 3]).to_padded("left")
    hidden = torch.randn(3, 3, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(pad(unpad(hidden, rows), rows).sum(), hidden)
    assert torch.equal(gradient, rows.valid[..., None].expand(3, 3, 2).float())


def test_tensors_that_describe_no_examples() -> None:
    with pytest.raises(LayoutError, match="row 1 of the attention mask has padding between its tokens"):
        Padded.from_attention_mask(torch.tensor([[1, 1, 0], [1, 0, 1]]))
    with pytest.raises(LayoutError, match=r"1 at tokens and 0 at padding; got torch.float32 of shape \[1, 2\]"):
        Padded.from_attention_mask(torch.zeros(1, 2))
    with pytest.raises(LayoutError, match="and no other numbers"):
        Padded.from_attention_mask(torch.tensor([[1, 1, 2]]))
    with pytest.raises(LayoutError, match=r"got torch.int64 of shape \[1, 1, 2\]"):
        Padded.from_attention_mask(torch.ones(1, 1, 2).long())
    with pytest.raises(LayoutError, match=r"column 'word' has shape \[3\], expected \[1, 3\]"):
        Padded.from_attention_mask(torch.ones(1, 3).long(), {"word": torch.zeros(3).long()})
    with pytest.raises(LayoutError, match=r"column 'word' has shape \[3\], expected \[4\]"):
        Ragged.from_lengths([1, 3], {"word": torch.zeros(3).long()})
    with pytest.raises(LayoutError, match=r"column 'n' has shape \[3\], expected \[2\]"):
        Ragged.from_lengths([1, 3], values={"n": torch.zeros(3).long()})
    with pytest.raises(LayoutError, match="an example of 3 tokens does not fit rows of 2 columns"):
        Ragged.from_lengths([1, 3]).to_padded(padded_length=2)
    with pytest.raises(LayoutError, match="2 examples of queries and 1 of keys"):
        ragged_mask(same("word"), Ragged.from_lengths([1, 3]), Ragged.from_lengths([2]))
