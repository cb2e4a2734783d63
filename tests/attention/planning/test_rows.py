"""Rows of custom masks are exact, evaluated once for each length and its columns, and never stale."""

import numpy as np
import pytest
import torch
from torch import Tensor

from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import custom, parse, register_predicate
from finetune.attention.masks.scope import Scope
from finetune.attention.planning import plan, rows
from finetune.attention.planning.heads import HeadGroup, head_groups
from finetune.attention.planning.rows import tile_keys, with_rows

RADIUS = 5
EVALUATED: list[int] = []
"""Numbers of queries of the examples whose rows were evaluated."""


@register_predicate("within_radius", length=False, by_head=False)
def within_radius(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return (q - k).abs() <= RADIUS


@register_predicate("same_tag", columns=["tag"], length=False, by_head=False)
def same_tag(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return scope.query_feature("tag", q) == scope.key_feature("tag", k)


@register_predicate("undeclared_tag", length=False, by_head=False)
def undeclared_tag(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return scope.query_feature("tag", q) == scope.key_feature("tag", k)


@register_predicate("asks_for_a_tag", length=False, by_head=False)
def asks_for_a_tag(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return (q == k) | (scope.queries.columns.get("tag") is not None)


@register_predicate("beyond_value", values=["limit"], length=False)
def beyond_value(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return (k >= scope.example_value("limit")) | (q == k + head)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test with nothing remembered, and count the examples that are evaluated."""
    EVALUATED.clear()
    evaluate = rows._evaluate

    def counted(group: HeadGroup, *arguments: object) -> rows.MaskRows:
        EVALUATED.append(group.queries.sizes[int(arguments[1])])  # type: ignore[call-overload]
        return evaluate(group, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rows, "_evaluate", counted)
    monkeypatch.setattr(rows, "_remembered", rows._Remembered())


def tagged(sizes: list[int], seed: int = 0, limit: int = 3) -> Ragged:
    generator = torch.Generator().manual_seed(seed)
    tags = torch.randint(0, 4, (sum(sizes),), generator=generator)
    return Ragged.from_lengths(sizes, {"tag": tags}, {"limit": torch.full((len(sizes),), limit)})


def dense_of(text: str, layout: Ragged, num_heads: int = 1) -> np.ndarray:
    """Return the mask that the rows of all heads hold, bool [heads, tokens, tokens]."""
    found = np.zeros((num_heads, layout.total, layout.total), dtype=bool)
    starts = layout.starts.tolist()
    for group in map(with_rows, head_groups(parse(text), layout, layout, num_heads)):
        [by_example] = group.rows.values()
        for start, one in zip(starts, by_example, strict=True):
            pairs = np.unpackbits(one.bits, axis=1, count=one.num_keys).astype(bool)
            for head in group.heads:
                found[head, start : start + len(pairs), start : start + one.num_keys] = pairs
    return found


@pytest.mark.parametrize(
    "text",
    [f"{negation}custom({name})" for negation in ("", "~")
     for name in ("within_radius", "same_tag", "undeclared_tag", "asks_for_a_tag", "beyond_value")],
)  # fmt: skip
def test_rows_are_the_mask_whatever_was_remembered(text: str) -> None:
    for seed, limit in ((0, 3), (1, 3), (1, 5), (0, 3)):
        layout = tagged([70, 3, 70, 0, 9], seed, limit)
        expected = ragged_mask(parse(text), layout, num_heads=2).expand(2, -1, -1).numpy()
        assert np.array_equal(dense_of(text, layout, 2), expected)


def test_a_predicate_of_positions_is_evaluated_once_for_each_length() -> None:
    plan(custom(within_radius), tagged([300, 200, 300]), tagged([300, 200, 300]), 4)
    before = list(EVALUATED)
    assert sorted(before) == [200, 300]
    layout = tagged([200, 300], seed=1)
    plan(custom(within_radius), layout, layout, 4)
    assert sorted(EVALUATED[2:]) == [200, 300], "self-attention may read the keys' columns from the queries"
    plan(custom(within_radius), layout, layout, 4)
    assert len(EVALUATED) == 4


def test_a_predicate_of_columns_is_evaluated_once_for_each_content() -> None:
    layout, same, other = tagged([200]), tagged([200]), tagged([200], seed=1)
    for each in (layout, same, layout):
        with_rows(head_groups(custom(same_tag), each, each, 4)[0])
    assert EVALUATED == [200]
    with_rows(head_groups(custom(same_tag), other, other, 4)[0])
    assert EVALUATED == [200, 200]


def test_a_constant_that_changes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = tagged([100])
    for radius in (5, 9, 5):
        monkeypatch.setitem(within_radius.__globals__, "RADIUS", radius)
        expected = (layout.positions[:, None] - layout.positions).abs() <= radius
        assert np.array_equal(dense_of("custom(within_radius)", layout)[0], expected.numpy())
    assert EVALUATED == [100, 100]


@pytest.mark.parametrize("text", ["custom(within_radius) & window(2)", "custom(within_radius) & random_keys(2, 1)"])
def test_where_other_masks_leave_few_keys_no_square_is_evaluated(text: str) -> None:
    layout = tagged([2000])
    plan(parse(text), layout, layout, 4)
    assert not EVALUATED


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = tagged([98, 99, 100])
    with_rows(head_groups(custom(within_radius), layout, layout, 1)[0])
    monkeypatch.setattr(rows, "REMEMBERED_BYTES", 4000)  # one example takes about 2,100
    monkeypatch.setattr(rows, "_remembered", rows._Remembered())
    EVALUATED.clear()
    for _ in range(2):
        with_rows(head_groups(custom(within_radius), layout, layout, 1)[0])
    assert EVALUATED == [98, 99, 100, 98, 99, 100]
    monkeypatch.setattr(rows, "REMEMBERED_BYTES", 100)
    group = with_rows(head_groups(custom(within_radius), layout, layout, 1)[0])
    assert not group.rows, "a square that is too large is searched block by block"


def test_keys_of_a_tile_are_those_of_its_queries() -> None:
    layout = tagged([20])
    [found] = with_rows(head_groups(custom(within_radius), layout, layout, 1)[0]).rows.values()
    tile, keys, certain = tile_keys(found[0], np.array([[0, 2, -1], [19, -1, -1]]))
    assert keys[tile == 0].tolist() == list(range(8))
    assert keys[tile == 1].tolist() == list(range(14, 20))
    assert certain[tile == 0].tolist() == [True] * 6 + [False] * 2
    assert certain[tile == 1].all()
