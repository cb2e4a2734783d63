from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from finetune.generation.cache import CHUNK, BeamCache, GrowingLayer

ROWS, HEADS, WIDTH = 4, 2, 3


def states(columns: int, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    keys = torch.rand(rows, HEADS, columns, WIDTH)
    return keys, keys + 1


def test_a_layer_keeps_what_the_dynamic_cache_keeps() -> None:
    layer, reference = GrowingLayer(), DynamicCache()
    columns = [1, 2, CHUNK, 1, 1, 3 * CHUNK]
    for new in columns:
        keys, values = states(new)
        for found, expected in zip(layer.update(keys, values), reference.update(keys, values, 0), strict=True):
            assert found.equal(expected)
        assert layer.get_seq_length() == reference.get_seq_length()
        assert layer.get_mask_sizes(1) == reference.get_mask_sizes(1, 0)


def test_moved_rows_are_those_of_a_reordered_cache() -> None:
    cache = BeamCache()
    reference: Any = DynamicCache()
    keys, values = states(4)
    shared = torch.tensor([0, 0, 2, 2])
    keys[:, :, :2], values[:, :, :2] = keys[shared][:, :, :2], values[shared][:, :, :2]
    cache.self_attention_cache.update(keys, values, 0)
    reference.update(keys, values, 0)
    for rows, settled in (([1, 0, 3, 3], 2), ([0, 0, 2, 3], 2), ([3, 2, 1, 0], 0)):
        cache.permute(torch.tensor(rows), settled)
        reference.reorder_cache(torch.tensor(rows))
        more = states(1)
        for found, expected in zip(
            cache.self_attention_cache.update(*more, 0), reference.update(*more, 0), strict=True
        ):
            assert found.equal(expected)


def test_rows_leave_and_multiply_with_their_source() -> None:
    cache = BeamCache()
    own, source = states(2), states(5)
    cache.self_attention_cache.update(*own, 0)
    cache.cross_attention_cache.update(*source, 0)
    rows = torch.tensor([3, 3, 1])
    cache.select(rows, None, width=4)
    layer: Any = cache.cross_attention_cache.layers[0]
    assert layer.keys.equal(source[0][rows][:, :, :4])
    assert layer.values.equal(source[1][rows][:, :, :4])
    more = states(1, rows=3)
    keys, _ = cache.self_attention_cache.update(*more, 0)
    assert keys.equal(torch.cat([own[0][rows], more[0]], dim=2))
