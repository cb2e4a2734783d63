"""The strategy that is selected, and the batches that share a selection."""

import pytest
import torch

from finetune.attention.layout import Ragged
from finetune.attention.masks import MissingColumn, parse
from finetune.attention.planning import selection
from finetune.attention.planning.heads import HeadGroup, head_groups
from finetune.attention.planning.key_sets import dense_rows
from finetune.attention.planning.selection import cost_of_blocks, cost_of_whole, select_strategy
from finetune.attention.planning.strategies import WHOLE, Strategy, block_strategies
from tests.attention.expressions import every_third


def group_of(text: str, *lengths: int) -> HeadGroup:
    layout = Ragged.from_lengths(lengths)
    return head_groups(parse(text), layout, layout, 12)[0]


@pytest.mark.parametrize(
    ("text", "lengths", "kernel"),
    [
        ("window(64)", (4096,), "blocks"),
        ("full()", (200,), "whole"),
        ("window(2)", (20, 30), "whole"),
        ("strided(8)", (2048,), "blocks"),
    ],
)
def test_sparse_masks_over_long_examples_are_cut_into_blocks(text: str, lengths: tuple[int, ...], kernel: str) -> None:
    assert select_strategy(group_of(text, *lengths), 64, None).kernel == kernel


def test_the_cheapest_by_the_cost_model_is_taken() -> None:
    group = group_of("blocks(100)", 1500)
    dense = dense_rows(group)
    costs = {one: cost_of_blocks(group, dense, one, 64) for one in block_strategies(group.mask, 1500)}
    found = select_strategy(group, 64, None)
    assert costs[found] == min(costs.values())
    assert costs[found] < cost_of_whole(group, 64)


def test_a_kernel_that_is_chosen_is_taken_whatever_it_costs() -> None:
    assert select_strategy(group_of("window(64)", 4096), 64, "whole") == WHOLE
    assert select_strategy(group_of("full()", 20), 64, "blocks").kernel == "blocks"


def test_batches_of_like_lengths_share_one_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    cheapest = selection._cheapest

    def counted(group: HeadGroup, head_dim: int, kernel: str | None) -> object:
        made.append(group)
        return cheapest(group, head_dim, kernel)

    monkeypatch.setattr(selection, "_cheapest", counted)
    monkeypatch.setattr(selection, "_selected", {})
    for length in (1000, 1010, 1000):
        select_strategy(group_of("window(7)", length), 64, None)
    assert len(made) == 1
    select_strategy(group_of("window(7)", 3000), 64, None)
    select_strategy(group_of("window(8)", 1000), 64, None)
    assert len(made) == 3


def test_no_more_selections_are_kept_than_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "REMEMBERED", 2)
    monkeypatch.setattr(selection, "_selected", {})
    for width in range(1, 6):
        select_strategy(group_of(f"window({width})", 200), 64, None)
        assert len(selection._selected) <= 2


def test_a_remembered_strategy_does_not_hide_a_missing_column() -> None:
    layout = Ragged.from_lengths([100], {"word": torch.arange(100)})
    (known,) = head_groups(parse("same(word)"), layout, layout, 12)
    select_strategy(known, 64, None)
    with pytest.raises(MissingColumn):
        select_strategy(group_of("same(word)", 100), 64, None)


def test_heads_that_draw_random_keys_share_one_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    selected = []
    cheapest = selection._cheapest

    def counted(group: HeadGroup, head_dim: int, kernel: str | None) -> Strategy:
        selected.append(group.heads)
        return cheapest(group, head_dim, kernel)

    monkeypatch.setattr(selection, "_cheapest", counted)
    monkeypatch.setattr(selection, "_selected", {})
    layout = Ragged.from_lengths([300])
    for text, number in (("random_keys(2, 1, by_head=true) | window(3)", 1), (f"custom({every_third.__name__})", 4)):
        selected.clear()
        for group in head_groups(parse(text), layout, layout, 4):
            selection.select_strategy(group, 64, None)
        assert len(selected) == number
