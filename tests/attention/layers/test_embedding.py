import pytest
import torch
from torch import nn

from finetune.attention.layers import (
    Embedding,
    RelativePositionBias,
)
from tests.attention.layers.small import HEADS, TOKENS, VOCABULARY, WIDTH
from tests.attention.layers.small import seeded as seeded


def test_relative_positions_have_a_bucket_each_when_near_and_share_when_far() -> None:
    bias = RelativePositionBias(HEADS, num_buckets=8, max_distance=16)(40, 40)
    assert bias.shape == (1, HEADS, 40, 40)
    for distance in range(-39, 40):
        assert bias[0, 0].diagonal(distance).unique().numel() == 1
    row = bias[0, 0, 20]
    assert row[19:22].unique().numel() == 3
    assert row[36:].unique().numel() == 1
    one_way = RelativePositionBias(HEADS, num_buckets=8, max_distance=16, bidirectional=False)(40, 40)
    assert one_way[0, 0, 20, 20:].unique().numel() == 1
    assert one_way[0, 0, 20, :21].unique().numel() == 8


@pytest.mark.parametrize("bidirectional", [True, False])
def test_buckets_are_those_of_transformers(bidirectional: bool) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    bias = RelativePositionBias(HEADS, bidirectional=bidirectional)
    distance = torch.arange(200) - torch.arange(200)[:, None]
    expected = T5Attention._relative_position_bucket(distance, bidirectional, 32, 128)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(bias(200, 200), bias.buckets(expected).permute(2, 0, 1)[None])


def test_vectors_of_tokens_positions_and_segments_are_added_and_normalized() -> None:
    embedding = Embedding(VOCABULARY, WIDTH, max_positions=TOKENS, num_segments=2, norm=nn.LayerNorm(WIDTH))
    ids, segments = torch.tensor([[3, 4, 3]]), torch.tensor([[0, 0, 1]])
    assert embedding.positions is not None
    assert embedding.segments is not None
    total = embedding.tokens.weight[ids] + embedding.positions.weight[:3] + embedding.segments.weight[segments]
    torch.testing.assert_close(embedding(ids, segments), nn.functional.layer_norm(total, (WIDTH,)))
    torch.testing.assert_close(embedding(ids), embedding(ids, torch.zeros_like(ids)))


def test_a_model_with_tokens_alone_adds_nothing() -> None:
    embedding = Embedding(VOCABULARY, WIDTH)
    ids = torch.tensor([[1, 2]])
    assert embedding(ids).equal(embedding.tokens.weight[ids])
