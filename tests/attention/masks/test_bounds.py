import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.masks import Mask, Span, dilated, global_tokens, strided
from finetune.attention.masks.bounds import distance
from finetune.attention.masks.scope import example_scope
from tests.attention.expressions import NUM_HEADS, Example, examples, masks


def run(first: int, step: int, count: int) -> tuple[Span, torch.Tensor]:
    """Return a run, and its positions."""
    positions = first + step * torch.arange(count)
    return Span(positions[0], positions[-1], step), positions


@settings(deadline=None, max_examples=200)
@given(
    masks,
    examples().filter(lambda example: example.query_length and example.keys),
    st.integers(0, NUM_HEADS - 1),
    st.integers(1, 5),
    st.data(),
)
def test_bounds_of_every_nth_query_skip_no_allowed_pair_and_promise_no_forbidden_one(
    mask: Mask, example: Example, head: int, step: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, example.query_length - 1))
    span, queries = run(first, step, data.draw(st.integers(1, (example.query_length - 1 - first) // step + 1)))
    keys = torch.arange(example.keys)
    bounds = mask.bounds(example_scope(**example.arguments), torch.tensor(head), span, Span(keys, keys, 0))
    allowed = mask.dense(**example.arguments)[head, queries]
    assert not (allowed.any(0) & ~bounds.possible).any()
    assert not (~allowed.all(0) & bounds.certain).any()


def test_a_run_in_step_with_the_mask_reaches_its_own_keys_alone() -> None:
    scope = example_scope(100)
    queries, positions = run(first=6, step=4, count=8)
    keys = torch.arange(100)
    for mask in (dilated(12, 4), strided(4), dilated(12, 2), global_tokens(10), global_tokens(11)):
        bounds = mask.bounds(scope, torch.tensor(0), queries, Span(keys, keys, 0))
        allowed = mask.dense(100)[0, positions]
        assert torch.equal(bounds.possible, allowed.any(0)), mask


def test_a_run_in_step_is_certain_of_keys_that_all_its_queries_see() -> None:
    keys = torch.arange(100)
    queries, positions = run(first=6, step=8, count=3)
    bounds = strided(4).bounds(example_scope(100), torch.tensor(0), queries, Span(keys, keys, 0))
    assert torch.equal(bounds.certain, strided(4).dense(100)[0, positions].all(0))
    assert bounds.certain.any()


def test_distances_keep_the_step_that_both_sides_share() -> None:
    at = torch.tensor(0)
    for query_step, key_step, expected in [(4, 0, 4), (4, 1, 1), (4, 6, 2), (0, 0, 0)]:
        assert distance(Span(at, at, query_step), Span(at, at, key_step)).step == expected


@settings(deadline=None, max_examples=100)
@given(mask=masks, example=examples(), with_columns=st.booleans())
def test_bounds_never_skip_an_allowed_pair_nor_promise_a_forbidden_one(
    mask: Mask, example: Example, with_columns: bool
) -> None:
    known = example.arguments if with_columns else {**example.arguments, "features": None, "key_features": None}
    q, k = all_runs(example.query_length), all_runs(example.keys)
    queries, keys = Span(q.first[:, None], q.last[:, None]), k  # every run of queries with every run of keys
    head = torch.arange(NUM_HEADS)[:, None, None]
    bounds = mask.bounds(example_scope(**known), head, queries, keys)
    sums = torch.nn.functional.pad(mask.dense(**example.arguments).long().cumsum(1).cumsum(2), (1, 0, 1, 0))
    rows = sums[:, q.last + 1] - sums[:, q.first]  # [heads, runs of queries, keys + 1]
    allowed = rows[..., k.last + 1] - rows[..., k.first]  # [heads, runs of queries, runs of keys]
    area = (queries.last - queries.first + 1) * (keys.last - keys.first + 1)
    assert not ((allowed > 0) & ~bounds.possible).any()
    assert not ((allowed < area) & bounds.certain).any()


def all_runs(length: int) -> Span:
    """Return all runs of neighbouring positions."""
    ends = torch.tensor([(first, last) for last in range(length) for first in range(last + 1)], dtype=torch.int64)
    first, last = ends.reshape(-1, 2).unbind(1)
    return Span(first, last)
