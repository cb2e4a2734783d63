import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import Padded, Ragged, padded_mask, ragged_mask
from finetune.attention.masks import MaskArgumentError, MaskSyntaxError, parse, random_keys
from finetune.attention.masks.random_keys import RandomKeys

FIRST_DRAWS = [[14, 19, 36], [5, 13, 40], [3, 14, 40], [7, 37, 42]]
"""The keys of the first four queries under random_keys(3, 1) at length 50, written down when it was introduced."""
LONG_DRAWS = [[205, 639], [689, 922]]
"""Those of the first two under random_keys(2, 2**31 - 1) at length 1,000."""

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


def test_the_draw_is_that_of_earlier_versions() -> None:
    """Models that were trained and saved under a draw must not meet another one."""
    drawn = [row.nonzero().flatten().tolist() for row in random_keys(3, 1).dense(50)[0]]
    assert drawn[:4] == FIRST_DRAWS
    assert [row.nonzero().flatten().tolist() for row in random_keys(2, 2**31 - 1).dense(2, 1000)[0]] == LONG_DRAWS


@properties
@given(
    number=st.integers(1, 9), seed=st.integers(0, 2**31 - 1), length=st.integers(10, 60), head=st.integers(0, 5),
    by_head=st.booleans(),
)  # fmt: skip
def test_listed_keys_are_those_that_are_allowed(number: int, seed: int, length: int, head: int, by_head: bool) -> None:
    mask = RandomKeys(number, seed, by_head)
    queries = torch.arange(7)
    listed = mask.drawn_keys(torch.tensor(head), queries, torch.full((7,), length))
    allowed = mask.dense(7, length, num_heads=6)[head]
    assert listed.sort().values.tolist() == [row.nonzero().flatten().tolist() for row in allowed]


def test_each_head_draws_keys_of_its_own_and_no_draw_depends_on_the_number_of_heads() -> None:
    mask = random_keys(3, 1, by_head=True)
    length, heads = 60, 12
    drawn = mask.dense(length, num_heads=heads)
    assert (drawn.sum(-1) == 3).all()
    assert mask.count(length, num_heads=heads) == drawn.sum() == 3 * length * heads
    for one in range(heads):
        assert not any(torch.equal(drawn[one], drawn[other]) for other in range(one))
    assert torch.equal(mask.dense(length, num_heads=4), drawn[:4])
    # Two heads share about as many keys as chance would have it: 9 of 60 for each query.
    shared = (drawn[1:] & drawn[:-1]).sum(-1).float().mean()
    assert shared == pytest.approx(9 / length, rel=0.25)
    assert torch.equal(random_keys(3, 1).dense(length, num_heads=2)[0], random_keys(3, 1).dense(length)[0])


def test_heads_that_draw_for_themselves_in_text() -> None:
    mask = random_keys(3, 1, by_head=True)
    assert str(mask) == "random_keys(3, 1, by_head=true)"
    for text in (str(mask), "random_keys(3, seed=1, by_head=true)", "random_keys(3, 1, True)"):
        assert parse(text) == mask
    assert parse("random_keys(3, 1, by_head=false)") == parse("random_keys(3, 1)") == random_keys(3, 1)
    assert str(random_keys(3, 1)) == "random_keys(3, 1)"
    assert mask != random_keys(3, 1)
    assert mask.needs.by_head
    assert not random_keys(3, 1).needs.by_head


def test_by_head_is_true_or_false() -> None:
    with pytest.raises(MaskSyntaxError, match="by_head must be true or false, got the name 'maybe'") as caught:
        parse("random_keys(3, 1, by_head=maybe)")
    assert caught.value.position == len("random_keys(3, 1, ")
    with pytest.raises(MaskArgumentError, match="by_head must be true or false, got 1"):
        random_keys(3, 1, by_head=1)  # type: ignore[arg-type]
