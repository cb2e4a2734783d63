import pytest
import torch
from torch import nn

from finetune.attention.layers import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    LayerConfig,
    Residual,
)
from finetune.attention.masks import causal
from tests.attention.layers.small import CONFIG, HEADS, KEEP, TOKENS, WIDTH, states
from tests.attention.layers.small import seeded as seeded


def as_torch(layer: EncoderLayer, norm_first: bool) -> nn.TransformerEncoderLayer:
    """Return torch's layer with the same weights."""
    theirs = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, dropout=0.0, batch_first=True, norm_first=norm_first)
    projections = (layer.attention.query, layer.attention.key, layer.attention.value)
    theirs.self_attn.in_proj_weight.data = torch.cat([each.weight.data for each in projections])
    theirs.self_attn.in_proj_bias.data = torch.cat([each.bias.data for each in projections])
    theirs.self_attn.out_proj.load_state_dict(layer.attention.output.state_dict())
    theirs.linear1.load_state_dict(layer.feed_forward.inward.state_dict())
    theirs.linear2.load_state_dict(layer.feed_forward.outward.state_dict())
    theirs.norm1.load_state_dict(layer.attention_residual.norm.state_dict())
    theirs.norm2.load_state_dict(layer.feed_forward_residual.norm.state_dict())
    return theirs


@pytest.mark.parametrize("norm_first", [True, False])
def test_an_encoder_layer_equals_torch_with_the_same_weights(norm_first: bool) -> None:
    layer = EncoderLayer(LayerConfig(WIDTH, HEADS, 16, dropout=0.0, norm_first=norm_first))
    nn.init.normal_(layer.attention_residual.norm.weight)  # type: ignore[arg-type]
    hidden, theirs = states(), as_torch(layer, norm_first)
    allowed = KEEP.bool()[:, None, None]
    expected = theirs(hidden, src_key_padding_mask=~KEEP.bool())
    torch.testing.assert_close(layer(hidden, allowed), expected)
    future = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
    torch.testing.assert_close(layer(hidden, causal()), theirs(hidden, src_mask=future))


def test_a_gate_multiplies_the_activation_of_one_map_with_another() -> None:
    gated = FeedForward(LayerConfig(WIDTH, HEADS, 16, activation="silu", gated=True, bias=False))
    assert gated.gate is not None
    hidden = states()
    inner = torch.nn.functional.silu(hidden @ gated.gate.weight.mT) * (hidden @ gated.inward.weight.mT)
    torch.testing.assert_close(gated(hidden), inner @ gated.outward.weight.mT)


def test_a_residual_connection_normalizes_before_or_after() -> None:
    hidden = states()
    double = nn.functional.layer_norm(hidden, (WIDTH,)) * 2
    before = Residual(LayerConfig(WIDTH, HEADS, 16, dropout=0.0, norm_first=True))
    torch.testing.assert_close(before(hidden, lambda x: x * 2), hidden + double)
    after = Residual(CONFIG)
    torch.testing.assert_close(after(hidden, lambda x: x * 2), nn.functional.layer_norm(hidden * 3, (WIDTH,)))


def test_a_decoder_layer_attends_to_itself_and_to_the_memory() -> None:
    layer = DecoderLayer(CONFIG)
    hidden, memory = states(), states(seed=1)
    output = layer(hidden, memory, causal())
    assert output.shape == hidden.shape
    assert not layer(hidden, memory + 1, causal()).equal(output)
    nothing = torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    torch.testing.assert_close(layer(hidden, memory + 1, causal(), nothing), layer(hidden, memory, causal(), nothing))


def test_dropout_is_for_training() -> None:
    layer = EncoderLayer(LayerConfig(WIDTH, HEADS, 16, dropout=0.5, attention_dropout=0.5, feed_forward_dropout=0.5))
    hidden = states()
    assert not layer(hidden).equal(layer(hidden))
    layer.eval()
    assert layer(hidden).equal(layer(hidden))
