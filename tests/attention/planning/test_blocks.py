"""The number of computed pairs is close to that of the pairs that a mask allows."""

import numpy as np
import pytest
import torch

from finetune.attention.layout import Ragged
from finetune.attention.masks import parse
from finetune.attention.planning import key_sets, listing, plan
from finetune.attention.planning.blocks import distance_index, find_tiles, tile_batches
from finetune.attention.planning.heads import BoolArray, HeadGroup, IntArray, allowed_pairs, head_groups

SPARSE = [
    "window(64) | global_tokens(0)",
    "window(30) | global_tokens(0, 700, -1)",
    "window(64) | global_tokens(cls)",
    "window(64) | queries(0, cls)",
    "window(64) | keys(cls, -1)",
    "causal() & window(50, 0)",
    "dilated(256, 4) | global_tokens(0)",
    "strided(16)",
    "blocks(100)",
    "same(sentence)",
    "near(sentence, 1)",
    "before(sentence) & window(100)",
    "per_head(window(40), dilated(200, 5), none(), blocks(64))",
]
by_mask = pytest.mark.parametrize("text", SPARSE)


def stream(*lengths: int) -> Ragged:
    """Return examples with sentences of 40 tokens, some of which begin with a marked token."""
    total = sum(lengths)
    columns = {"sentence": torch.arange(total) // 40, "is_cls": (torch.arange(total) % 300 == 7).long()}
    return Ragged.from_lengths(lengths, columns)


def computed(text: str, layout: Ragged, num_heads: int = 4) -> int:
    return plan(parse(text), layout, layout, num_heads).num_weights


@by_mask
def test_few_pairs_are_computed_that_are_not_allowed(text: str) -> None:
    layout = stream(2048)
    features = dict(layout.columns)
    allowed = parse(text).count(2048, num_heads=4, features=features)
    assert allowed <= computed(text, layout) < 2 * allowed


@by_mask
def test_several_examples_cost_what_each_costs_alone(text: str) -> None:
    together = computed(text, stream(1500, 900, 2100))
    alone = sum(computed(text, stream(length)) for length in (1500, 900, 2100))
    assert together < 1.25 * alone


@pytest.mark.parametrize("text", [text for text in SPARSE if "cls" not in text and "strided" not in text])
def test_pairs_looked_at_grow_as_the_length(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    def counted(group: HeadGroup, examples: IntArray, queries: IntArray, keys: IntArray) -> BoolArray:
        answer = allowed_pairs(group, examples, queries, keys)
        looked_at.append(answer.size)
        return answer

    for module in (key_sets, listing):
        monkeypatch.setattr(module, "allowed_pairs", counted)
    totals = []
    for length in (2048, 8192):
        computed(text, stream(length))  # the selection is remembered
        looked_at.clear()
        computed(text, stream(length))
        totals.append(sum(looked_at))
    assert totals[1] <= 6 * totals[0], "four times as long"


def test_keys_that_are_certain_in_every_tile_come_first_and_need_no_mask() -> None:
    layout = Ragged.from_lengths([64, 40])
    (group,) = head_groups(parse("blocks(8)"), layout, layout, 2)
    nothing = np.zeros(layout.total, dtype=bool)
    tiles = find_tiles(group, nothing, size=8, step=1)
    assert tiles.certain.all()
    (batch,) = tile_batches(group, tiles, head_dim=8, has_relative_bias=False)
    assert batch.shape == (13, 2, 8, 16)
    assert batch.allowed is not None, "8 of 16 slots for keys are padding"
    assert batch.allowed.shape[-1] == 8
    assert not batch.allowed.any()


def test_tiles_found_in_portions_are_those_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = stream(300, 150)
    (group,) = head_groups(parse("window(20) | global_tokens(0)"), layout, layout, 2)
    dense = key_sets.dense_rows(group)
    at_once = find_tiles(group, dense, size=32, step=1)
    monkeypatch.setattr("finetune.attention.planning.blocks.PAIRS_AT_ONCE", 20_000)
    in_portions = find_tiles(group, dense, size=32, step=1)
    for name, expected in vars(at_once).items():
        np.testing.assert_array_equal(getattr(in_portions, name), expected, err_msg=name)


def test_distances_count_from_the_middle_of_the_table() -> None:
    index = distance_index(torch.tensor([[0, 4]]), torch.tensor([[0, 4, 2, -1]]), longest=5)
    assert index.tolist() == [[[4, 8, 6, 3], [0, 4, 2, 0]]], "the last key is padding and may read anything"
