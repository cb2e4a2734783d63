import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import Padded, Ragged, padded_mask, ragged_mask
from finetune.attention.masks import random_keys

properties = settings(deadline=None, max_examples=60)


@properties
@given(
    number=st.integers(0, 20),
    seed=st.integers(0, 2**31 - 1),
    queries=st.integers(0, 15),
    keys=st.integers(0, 40),
)
def test_every_query_draws_exactly_so_many_keys(number: int, seed: int, queries: int, keys: int) -> None:
    drawn = random_keys(number, seed).dense(queries, keys)
    assert (drawn.sum(-1) == min(number, keys)).all()


@properties
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    neighbours=st.lists(st.integers(0, 9), max_size=3),
    seed=st.integers(0, 2**31 - 1),
)
def test_the_draw_is_the_same_whatever_the_batch(lengths: list[int], neighbours: list[int], seed: int) -> None:
    mask = random_keys(3, seed)
    stream = Ragged.from_lengths([*neighbours, *lengths])
    packed = ragged_mask(mask, stream)
    padded = padded_mask(mask, stream.to_padded("left"))
    for example, length in enumerate(lengths, len(neighbours)):
        alone = mask.dense(length)
        tokens = slice(int(stream.starts[example]), int(stream.starts[example]) + length)
        assert torch.equal(packed[:, tokens, tokens], alone)
        width = padded.shape[-1]
        assert torch.equal(padded[example, :, width - length :, width - length :], alone)


def test_the_draw_depends_on_seed_query_and_length() -> None:
    length = 50
    drawn = random_keys(3, 0).dense(length)[0]
    assert not torch.equal(drawn, random_keys(3, 1).dense(length)[0])
    assert not torch.equal(drawn[:-1, :-1], random_keys(3, 0).dense(length - 1)[0])
    assert len({tuple(row) for row in drawn.tolist()}) > length // 2
    assert torch.equal(random_keys(3, 0).dense(10, length)[0], drawn[:10])


@pytest.mark.parametrize(("number", "length"), [(1, 12), (5, 12), (11, 12), (7, 64)])
def test_every_key_is_drawn_equally_often(number: int, length: int) -> None:
    seeds, queries = 40, 100
    often = torch.stack([random_keys(number, seed).dense(queries, length)[0] for seed in range(seeds)]).sum((0, 1))
    draws, chance = seeds * queries, number / length
    deviation = (draws * chance * (1 - chance)) ** 0.5
    assert ((often - draws * chance).abs() < 5 * deviation).all()


def test_pairs_of_neighbouring_queries_draw_independently() -> None:
    number, length = 8, 64
    drawn = random_keys(number, 0).dense(2000, length)[0]
    shared = (drawn[1:] & drawn[:-1]).sum(-1).float().mean()
    assert shared == pytest.approx(number**2 / length, rel=0.1)


def test_a_padded_width_is_not_a_length() -> None:
    mask, length = random_keys(2, 7), 6
    wide = Padded(torch.tensor([3]), torch.tensor([length]), 20)
    assert torch.equal(padded_mask(mask, wide)[0, :, 3 : 3 + length, 3 : 3 + length], mask.dense(length))
