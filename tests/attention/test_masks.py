import pickle
import subprocess
import sys
from itertools import pairwise, product
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.masks import (
    Mask,
    MaskArgumentError,
    MaskError,
    MissingColumn,
    Span,
    blocks,
    causal,
    counting,
    custom,
    dilated,
    full,
    global_tokens,
    none,
    parse,
    per_head,
    prefix,
    random_keys,
    same,
    strided,
    window,
)
from finetune.attention.masks.scope import example_scope
from tests.attention.expressions import NUM_HEADS, Example, atoms, by_loops, examples, masks, texts

properties = settings(deadline=None, max_examples=100)


@properties
@given(text=texts, example=examples())
def test_dense_form_is_what_the_table_says_pair_by_pair(text: str, example: Example) -> None:
    assert torch.equal(parse(text).dense(**example.arguments), by_loops(text, example))


def test_simplification_never_changes_the_meaning() -> None:
    """Everything that can be built in three steps from two masks whose four combinations all occur."""
    length = 4
    start = [full(), none(), causal(), blocks(2)]
    meaning = {mask: mask.dense(length) for mask in start}
    for left, right in [(start, start), (start, None), (None, None)]:
        lefts, rights = (list(meaning) if side is None else side for side in (left, right))
        for a, b in product(lefts, rights):
            built = {a & b: meaning[a] & meaning[b], a | b: meaning[a] | meaning[b], ~b: ~meaning[b]}
            for mask, expected in built.items():
                assert torch.equal(mask.dense(length), expected), f"{a} with {b}"
            meaning |= built


@properties
@given(text=atoms, example=examples())
def test_each_mask_alone_is_what_the_table_says(text: str, example: Example) -> None:
    assert torch.equal(parse(text).dense(**example.arguments), by_loops(text, example))


@properties
@given(mask=masks)
def test_text_parses_back_to_an_equal_mask(mask: Mask) -> None:
    again = parse(str(mask))
    assert again == mask
    assert hash(again) == hash(mask)
    assert str(again) == str(mask)
    assert pickle.loads(pickle.dumps(mask)) == mask


@properties
@given(a=masks, b=masks, c=masks)
def test_operators_obey_the_laws_of_their_simplification(a: Mask, b: Mask, c: Mask) -> None:
    assert a & full() == a
    assert a | none() == a
    assert a & none() == none()
    assert a | full() == full()
    assert ~~a == a
    assert a & a == a
    assert a | a == a
    assert a & ~a == none()
    assert a | ~a == full()
    assert a & b == b & a
    assert a | b == b | a
    assert (a & b) & c == a & (b & c)
    assert (a | b) | c == a | (b | c)
    assert hash(a & b) == hash(b & a)


def test_different_masks_are_not_equal() -> None:
    a, b = causal(), window(3)
    assert len({a, b, a & b, a | b, ~a, ~(a & b), window(3, 4), prefix(3), prefix("n"), per_head(a, b)}) == 10


def test_the_written_order_is_kept() -> None:
    assert str(window(4) | global_tokens(0)) == "window(4) | global_tokens(0)"
    assert str(global_tokens(0) | window(4)) == "global_tokens(0) | window(4)"


def test_masks_alike_in_all_heads_are_one() -> None:
    assert per_head(causal()) == causal()
    assert per_head(causal(), causal()) == causal()
    assert window(2, 2) == window(2)


@properties
@given(mask=masks, example=examples(), block=st.integers(1, 5))
def test_count_is_the_sum_of_the_dense_form(mask: Mask, example: Example, block: int) -> None:
    with patch.multiple(counting, BLOCK=block, BLOCKS_AT_ONCE=2, BOUNDS_AT_ONCE=6):
        assert mask.count(**example.arguments) == mask.dense(**example.arguments).sum()


@properties
@given(text=atoms, example=examples())
def test_closed_counts_are_the_sum_of_the_dense_form(text: str, example: Example) -> None:
    mask = parse(text)
    closed = mask.closed_count(example.query_length, example.keys)
    assert closed is None or closed * NUM_HEADS == mask.dense(**example.arguments).sum()


def test_count_of_a_square_that_fits_no_memory() -> None:
    length, radius = 200_000, 64
    band = length * (radius + 1) - radius * (radius + 1) // 2
    assert (causal() & window(radius)).count(length) == band
    assert full().count(length, num_heads=12) == 12 * length**2


@properties
@given(mask=masks, example=examples(), with_columns=st.booleans())
def test_bounds_never_skip_an_allowed_pair_nor_promise_a_forbidden_one(
    mask: Mask, example: Example, with_columns: bool
) -> None:
    known = example.arguments if with_columns else {**example.arguments, "features": None, "key_features": None}
    q, k = runs(example.query_length), runs(example.keys)
    queries, keys = Span(q.first[:, None], q.last[:, None]), k  # every run of queries with every run of keys
    head = torch.arange(NUM_HEADS)[:, None, None]
    bounds = mask.bounds(example_scope(**known), head, queries, keys)
    sums = torch.nn.functional.pad(mask.dense(**example.arguments).long().cumsum(1).cumsum(2), (1, 0, 1, 0))
    rows = sums[:, q.last + 1] - sums[:, q.first]  # [heads, runs of queries, keys + 1]
    allowed = rows[..., k.last + 1] - rows[..., k.first]  # [heads, runs of queries, runs of keys]
    area = (queries.last - queries.first + 1) * (keys.last - keys.first + 1)
    assert not ((allowed > 0) & ~bounds.possible).any()
    assert not ((allowed < area) & bounds.certain).any()


def runs(length: int) -> Span:
    """All runs of neighbouring positions."""
    ends = torch.tensor([(first, last) for last in range(length) for first in range(last + 1)], dtype=torch.int64)
    first, last = ends.reshape(-1, 2).unbind(1)
    return Span(first, last)


@properties
@given(mask=masks, example=examples(), data=st.data())
def test_key_ranges_cover_every_key_that_is_reached(mask: Mask, example: Example, data: st.DataObject) -> None:
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, example.query_length)] * 2)))
    ranges = mask.key_ranges(range(first, last), **example.arguments)
    reached = mask.dense(**example.arguments)[:, first:last].flatten(0, 1).any(0).nonzero().flatten().tolist()
    assert {*reached} <= {key for keys in ranges for key in keys}
    assert all(before.stop < after.start for before, after in pairwise(ranges))
    assert all(keys and {*keys} <= {*range(example.keys)} for keys in ranges)


@properties
@given(
    text=atoms.filter(lambda text: not text.startswith(("random_keys", "custom"))), example=examples(), data=st.data()
)
def test_key_ranges_of_one_query_are_exact(text: str, example: Example, data: st.DataObject) -> None:
    mask = parse(text)
    for q in range(example.query_length):
        reached = mask.dense(**example.arguments)[:, q].any(0).nonzero().flatten().tolist()
        assert [key for keys in mask.key_ranges(range(q, q + 1), **example.arguments) for key in keys] == reached


def test_key_ranges_are_what_a_plan_can_skip_by() -> None:
    mask = window(2) | global_tokens(0)
    assert mask.key_ranges(range(100, 164), 1000) == [range(1), range(98, 166)]
    assert mask.key_ranges(range(1), 1000) == [range(1000)]
    assert (mask & causal()).key_ranges(range(100, 164), 1000) == [range(1), range(98, 164)]


@properties
@given(mask=masks, example=examples())
def test_a_head_by_itself_obeys_its_mask(mask: Mask, example: Example) -> None:
    dense = mask.dense(**example.arguments)
    for head in range(NUM_HEADS):
        assert torch.equal(mask.at_head(head, NUM_HEADS).dense(**example.arguments)[head], dense[head])


@properties
@given(mask=masks, example=examples())
def test_a_mask_that_says_so_is_the_same_in_all_heads_and_lengths(mask: Mask, example: Example) -> None:
    dense = mask.dense(**example.arguments)
    if not mask.needs.by_head:
        assert torch.equal(dense, dense[:1].expand_as(dense))
    if not mask.needs.length and example.key_length is None:
        shorter = max(0, example.query_length - 1)
        features = {
            name: given[:shorter] if isinstance(given, list) else given for name, given in example.features.items()
        }
        assert torch.equal(mask.dense(shorter, None, NUM_HEADS, features), dense[:, :shorter, :shorter])


def test_needs_of_an_expression_are_those_of_its_parts() -> None:
    needs = parse(
        "per_head(same(word), prefix(n)) & ~global_tokens(cls, -1) | per_head(full(), none(), causal())"
    ).needs
    assert needs.columns == {"word", "is_cls"}
    assert needs.values == {"n"}
    assert needs.length
    assert needs.by_head
    assert needs.heads == 6


@pytest.mark.parametrize("length", [0, 1])
def test_shortest_examples(length: int) -> None:
    assert torch.equal(causal().dense(length), torch.ones(1, length, length, dtype=torch.bool))
    assert random_keys(2, 0).count(length) == length
    assert full().dense(0, 3).shape == (1, 0, 3)


def test_three_masks_on_six_heads() -> None:
    mask = per_head(full(), none(), causal())
    assert mask.dense(2, num_heads=6).sum((1, 2)).tolist() == [4, 4, 0, 0, 3, 3]


def test_heads_must_be_shared_evenly() -> None:
    mask = per_head(full(), none(), causal())
    with pytest.raises(MaskError, match="must be a multiple of 3, got 4"):
        mask.dense(2, num_heads=4)
    with pytest.raises(MaskError, match="must be a multiple of 3, got 4"):
        mask.count(2, num_heads=4)


def test_missing_columns_are_named_with_what_there_is() -> None:
    with pytest.raises(MissingColumn, match=r"token column 'segmnt'.*there are segment; did you mean 'segment'"):
        same("segmnt").dense(2, features={"segment": [0, 1]})
    with pytest.raises(MissingColumn, match=r"example's value 'n', which is not given; there are none"):
        prefix("n").dense(2)
    with pytest.raises(MissingColumn, match="is_cls"):
        global_tokens("cls").dense(2, 3, features={"is_cls": [1, 0]})


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"query_length": -1}, "a length cannot be negative, got -1"),
        ({"query_length": 2, "features": {"word": [1]}}, r"column 'word' has shape \[1\], but there are 2 tokens"),
        ({"query_length": 1, "features": {"word": [0.5]}}, "column 'word' must hold integers, got torch.float32"),
        ({"query_length": 1, "key_features": {}}, "give key_length too"),
    ],
)
def test_examples_that_do_not_fit(arguments: dict[str, object], problem: str) -> None:
    with pytest.raises(MaskError, match=problem):
        full().dense(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "arguments", "problem"),
    [
        (window, (-1,), "window: left must be at least 0, got -1"),
        (window, (1, -1), "window: right must be at least 0, got -1"),
        (window, ("near",), "window: left must be a whole number, got the name 'near'"),
        (window, (True,), "window: left must be a whole number, got True"),
        (dilated, (2, 0), "dilated: step must be at least 1, got 0"),
        (strided, (0,), "strided: step must be at least 1"),
        (blocks, (0,), "blocks: size must be at least 1"),
        (prefix, (-1,), "prefix: size must be at least 0"),
        (prefix, (0.5,), "prefix: size must be a whole number, got 0.5"),
        (global_tokens, (), "at least one position"),
        (global_tokens, (0.5,), "global_tokens: a token must be a whole number, got 0.5"),
        (random_keys, (-1, 0), "random_keys: number must be at least 0"),
        (random_keys, (1, -1), "random_keys: seed must be at least 0"),
        (random_keys, (1, 2**31), r"random_keys: seed must be below 2\*\*31"),
        (same, (3,), "same: column must be a name, got 3"),
        (same, ("",), "same: column must be a name"),
        (same, (full(),), r"same: column must be a name, got the mask full\(\)"),
        (per_head, (), "at least one mask"),
        (per_head, ("causal",), "per_head: an argument must be a mask, got the name 'causal'"),
        (custom, (3,), "custom: predicate must be a name or a function, got 3"),
    ],
)
def test_arguments_that_a_mask_cannot_take(build, arguments, problem) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MaskArgumentError, match=problem):
        build(*arguments)


def test_python_words_are_no_operators_of_masks() -> None:
    with pytest.raises(TypeError, match="write & for and"):
        causal() and full()
    with pytest.raises(TypeError):
        causal() & 3  # type: ignore[operator]
    with pytest.raises(TypeError):
        causal() | "full()"  # type: ignore[operator]


def test_masks_and_programs_are_read_without_torch() -> None:
    code = (
        "import sys; from finetune.attention import Program; "
        "Program.from_config({'encoder': 'window(3) & ~random_keys(1, 0)'}).by_layer('encoder', 2); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
