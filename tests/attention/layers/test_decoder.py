import torch

from finetune.attention.layers import (
    Decoder,
    DecoderLayer,
)
from finetune.attention.layout import Padded, padded_mask
from finetune.attention.masks import causal, full, window
from tests.attention.layers.small import CONFIG, KEEP, LAYERS, states
from tests.attention.layers.small import seeded as seeded


def test_a_decoder_is_causal_unless_a_mask_is_given() -> None:
    decoder = Decoder(CONFIG, LAYERS)
    hidden, memory = states(), states(seed=1)
    changed = hidden.clone()
    changed[:, 3:] += 1
    assert decoder(changed, memory)[:, :3].equal(decoder(hidden, memory)[:, :3])
    assert not decoder(changed, memory, full())[:, :3].isclose(decoder(hidden, memory, full())[:, :3]).any(-1).all()


def test_cross_attention_counts_positions_on_each_side() -> None:
    decoder = Decoder(CONFIG, 1)
    target, memory = states(), states(seed=1)
    layout = Padded.from_attention_mask(KEEP)
    layer = decoder.layers[0]
    assert isinstance(layer, DecoderLayer)
    allowed = padded_mask(window(0), Padded.from_attention_mask(torch.ones_like(KEEP)), layout)
    expected = layer(target, memory, causal(), allowed)
    torch.testing.assert_close(decoder(target, memory, memory_mask=window(0), memory_layout=KEEP), expected)
