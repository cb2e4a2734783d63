"""Slots: rows that are gathered and put back, once or in several places."""

import pytest
import torch
from torch import Tensor

from finetune.attention.kernels.slots import (
    SlotIndices,
    accumulate,
    empty_total,
    gather,
    index_slots,
    slot_range,
    split_slots,
    take,
    to_tokens,
)

ONCE = [torch.tensor([[0, 3], [2, -1]]), torch.tensor([[1, -1]])]
SEVERAL = [torch.tensor([[0, 3], [2, 3]]), torch.tensor([[3, -1]])]


def indices(tokens: list[Tensor], unique: bool = False) -> SlotIndices:
    """Return the slots of 5 tokens, of which token 4 has none, in 2 heads: one chunk in both, another in head 1."""
    return index_slots(tokens, [range(2), range(1, 2)], 5, 2, unique=unique)


def test_rows_are_those_of_tokens_and_heads() -> None:
    found = indices(ONCE, unique=True)
    assert found.num_rows == 10
    assert found.rows.tolist() == [0, 6, 1, 7, 4, 0, 5, 1, 3, 1], "padding reads the first row of its head"
    assert found.padding.tolist() == [5, 7, 9]
    assert found.slots is not None
    assert found.slots.tolist() == [0, 2, 10, 8, 4, 6, 1, 3, 10, 10], "10 is no slot"


def test_rows_in_several_slots_are_recognized() -> None:
    assert indices(ONCE).slots is not None
    assert indices(SEVERAL).slots is None
    many = [torch.zeros(1, 100, dtype=torch.int64), torch.zeros(1, 1, dtype=torch.int64)]
    assert indices(many).slots is None


@pytest.mark.parametrize("tokens", [ONCE, SEVERAL])
def test_chunks_take_the_rows_of_their_tokens(tokens: list[Tensor]) -> None:
    found = indices(tokens)
    stream = torch.arange(5 * 2 * 3.0).view(5, 2, 3)
    rows = gather(stream, found, torch.float64)
    first, second = take(rows, slot_range(found, 0, [(4, 2), (1, 2)]), torch.float64)
    assert first.dtype == torch.float64
    expected = stream[tokens[0].clamp(min=0)].transpose(1, 2).reshape(4, 2, 3)  # [tiles * heads, slots, head_dim]
    torch.testing.assert_close(first, expected.double())
    torch.testing.assert_close(second[0, 0], stream[tokens[1][0, 0], 1].double())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("tokens", [ONCE, SEVERAL])
def test_products_are_added_to_the_rows_of_their_slots(tokens: list[Tensor], dtype: torch.dtype) -> None:
    found = indices(tokens)
    group = slot_range(found, 0, [(4, 2), (1, 2)])
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 2, 6), (1, 2, 6)]
    left = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    right = [torch.randn(shape[0], 6, 3, generator=generator, dtype=torch.float64) for shape in shapes]
    total = empty_total(found, 3, dtype, torch.device("cpu"))
    if found.slots is None:
        for one, own in zip(left, tokens, strict=True):  # keys' padding has no weight
            one.view(len(own), -1, 2, 6).masked_fill_((own < 0)[:, None, :, None], 0.0)
    accumulate(total, group, left, right, scale=0.5)
    expected = torch.zeros(5, 2, 3, dtype=torch.float64)
    for one, other, own, heads in zip(left, right, tokens, (2, 1), strict=True):
        products = (one @ other * 0.5).view(len(own), heads, 2, 3)
        for tile, slot in (own >= 0).nonzero().tolist():
            expected[own[tile, slot], 2 - heads :] += products[tile, :, slot]
    torch.testing.assert_close(to_tokens(total, found, 2, torch.float64), expected, atol=1e-6, rtol=1e-6)


def test_split_gives_views_of_each_shape() -> None:
    numbers = torch.arange(14).view(7, 2)
    first, second = split_slots(numbers, [(1, 3), (2, 2)])
    assert first.shape == (1, 3, 2)
    assert second.shape == (2, 2, 2)
    first.zero_()
    assert numbers[:3].eq(0).all()
    assert numbers[3:].ne(0).all()
