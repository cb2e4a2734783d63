"""Reachability against its definition: paths with at most one allowed pair a layer, found one by one."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention import reachability
from finetune.attention.masks import causal, parse, window
from finetune.attention.masks.scope import example_scope
from finetune.attention.reachability import SitePairs, allowed_in_any_head, reached_by_decoder, reached_tokens
from tests.attention.expressions import Example, examples, masks


def squares(seed: int, count: int, rows: int, columns: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.rand(rows, columns, generator=generator) < 0.15 for _ in range(count))


def together(size: int, allowed: Tensor, queries: int, keys: int) -> Tensor:
    """Return the allowed pairs within a larger square, from the given first query and key on."""
    square = torch.zeros(size, size, dtype=torch.bool)
    square[queries : queries + allowed.shape[0], keys : keys + allowed.shape[1]] = allowed
    return square


def walked(start: int, layers: tuple[Tensor, ...]) -> set[int]:
    """Return the inputs from which a path leads to `start`, layer by layer from the last."""
    here = {start}
    for allowed in reversed(layers):
        here |= {k for q in here for k in range(allowed.shape[1]) if allowed[q, k]}
    return here


@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 4))
def test_tokens_reach_by_paths_of_one_pair_a_layer(seed: int, length: int, depth: int) -> None:
    layers = squares(seed, depth, length, length)
    reached = reached_tokens(torch.arange(length), layers)
    assert [set(row.nonzero().flatten().tolist()) for row in reached] == [walked(q, layers) for q in range(length)]


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_a_decoder_reaches_its_own_input_and_through_it_the_source(seed: int, tall: int, wide: int, depth: int) -> None:
    """One graph of source and target together, in which cross-attention follows self-attention, gives the same."""
    encoder, decoder = squares(seed, depth, wide, wide), squares(seed + 1, depth, tall, tall)
    cross = squares(seed + 2, depth, tall, wide)
    steps = [together(wide + tall, allowed, 0, 0) for allowed in encoder]
    for own, other in zip(decoder, cross, strict=True):
        steps += [together(wide + tall, own, wide, wide), together(wide + tall, other, wide, 0)]
    target, source = reached_by_decoder(torch.arange(tall), SitePairs(encoder, decoder, cross))
    for q in range(tall):
        found = set(source[q].nonzero().flatten().tolist()) | {wide + k for k in target[q].nonzero().flatten().tolist()}
        assert found == walked(wide + q, tuple(steps))


@settings(deadline=None)
@given(masks, examples())
def test_the_union_over_heads_is_that_of_the_dense_mask(mask: object, example: Example) -> None:
    parsed = parse(str(mask))
    lengths = example.query_length, example.key_length
    scope = example_scope(*lengths, example.arguments["num_heads"], example.features, example.key_features)
    dense = parsed.dense(**example.arguments)
    assert allowed_in_any_head(parsed, scope, example.query_length, example.keys).equal(dense.any(0))


def test_long_examples_are_evaluated_in_parts() -> None:
    length = 2 * reachability._CHUNK + 3
    found = allowed_in_any_head(window(2), example_scope(length), length, length)
    assert found.equal(window(2).dense(length)[0])


def test_causal_layers_never_reach_ahead_and_windows_add_up() -> None:
    layers = [causal().dense(12)[0]] * 3
    assert not reached_tokens(torch.arange(12), layers).triu(1).any()
    assert reached_tokens(torch.tensor([5]), [window(1).dense(12)[0]] * 2).nonzero()[:, 1].tolist() == [3, 4, 5, 6, 7]
