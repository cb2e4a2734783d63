import pytest
import torch

from finetune.attention.layers import (
    Encoder,
    LayerError,
)
from finetune.attention.layers.stack import layer_masks, padded_rows
from finetune.attention.layout import LayoutError, Padded, padded_mask
from finetune.attention.masks import causal, full, per_head, window
from tests.attention.layers.small import BATCH, CONFIG, HEADS, KEEP, LAYERS, TOKENS, states
from tests.attention.layers.small import seeded as seeded


def test_each_layer_can_have_its_mask_and_each_head() -> None:
    encoder = Encoder(CONFIG, LAYERS)
    masks = (per_head(window(1), full()), causal())
    hidden = expected = states()
    for number, mask in enumerate(masks):
        expected = encoder.layers[number](expected, mask.dense(TOKENS, num_heads=HEADS)[None])
    torch.testing.assert_close(encoder(hidden, masks), expected)
    with pytest.raises(LayerError, match="there are 2 layers, got 1 masks"):
        encoder(hidden, masks[:1])


def test_padding_between_tokens_is_refused() -> None:
    with pytest.raises(LayoutError, match="row 0 of the attention mask has padding between its tokens"):
        Encoder(CONFIG, LAYERS)(states(), layout=torch.tensor([[1, 0, 1, 1, 1, 1]] * BATCH))


def test_equal_masks_of_layers_are_evaluated_once() -> None:
    rows = padded_rows(KEEP, states())
    first, second, third = layer_masks([window(1), causal(), window(1)], rows, rows, HEADS, 3)
    assert first is third
    torch.testing.assert_close(first.allowed, padded_mask(window(1), rows))
    torch.testing.assert_close(second.allowed, padded_mask(causal(), rows))


def test_without_a_layout_no_row_has_padding() -> None:
    assert padded_rows(None, states()).lengths.tolist() == [TOKENS] * BATCH
    layout = Padded.from_attention_mask(KEEP)
    assert padded_rows(layout, states()) is layout
