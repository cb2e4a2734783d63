import pytest
import torch
from torch import Tensor, nn

from finetune.attention.kernels import dense_attention
from finetune.attention.layers import (
    Embedding,
    Encoder,
    EncoderLayer,
    LayerConfig,
    LayerError,
    RelativePositionBias,
)
from finetune.attention.layout import Padded
from finetune.attention.masks import causal, same, window
from tests.attention.layers.small import BATCH, CONFIG, HEADS, KEEP, LAYERS, TOKENS, VOCABULARY, WIDTH, states
from tests.attention.layers.small import seeded as seeded


def test_padding_changes_nothing_on_either_side() -> None:
    encoder = Encoder(CONFIG, LAYERS)
    hidden = states()
    padded = encoder(hidden, window(1), layout=KEEP)
    alone = encoder(hidden[1:, 2:5], window(1))
    torch.testing.assert_close(padded[1:, 2:5], alone)
    torch.testing.assert_close(padded[:1], encoder(hidden[:1], window(1)))


def test_masks_read_the_columns_of_a_layout() -> None:
    encoder = Encoder(CONFIG, LAYERS)
    hidden = states()
    layout = Padded.from_attention_mask(KEEP, {"segment": torch.tensor([[0, 0, 0, 1, 1, 1], [9, 9, 1, 1, 2, 9]])})
    separate = encoder(hidden, same("segment"), layout=layout)
    torch.testing.assert_close(separate[:1, :3], encoder(hidden[:1, :3]))
    torch.testing.assert_close(separate[1:, 2:4], encoder(hidden[1:, 2:4]))


def test_a_tensor_mask_is_cut_to_the_layout() -> None:
    encoder = Encoder(CONFIG, LAYERS)
    square = window(1).dense(TOKENS)[None]
    hidden = states()
    torch.testing.assert_close(encoder(hidden, square, layout=KEEP), encoder(hidden, window(1), layout=KEEP))


def test_the_bias_by_position_is_added_to_the_scores() -> None:
    config = LayerConfig(WIDTH, HEADS, 16, dropout=0.0, scale=1.0, norm="rms", norm_first=True, bias=False)
    position_bias = RelativePositionBias(HEADS)
    encoder = Encoder(config, 1, position_bias=position_bias, final_norm=True)
    hidden = states()
    layer = encoder.layers[0]
    assert isinstance(layer, EncoderLayer)

    def attend(x: Tensor) -> Tensor:
        projections = (layer.attention.query(x), layer.attention.key(x), layer.attention.value(x))
        split = [torch.stack(each.chunk(HEADS, -1), 1) for each in projections]
        heads, _ = dense_attention(*split, bias=position_bias(TOKENS, TOKENS), scale=1.0)
        return layer.attention.output(torch.cat(heads.unbind(1), -1))  # type: ignore[no-any-return]

    after_attention = hidden + attend(nn.functional.rms_norm(hidden, (WIDTH,), eps=1e-5))
    expected = after_attention + layer.feed_forward(nn.functional.rms_norm(after_attention, (WIDTH,), eps=1e-5))
    torch.testing.assert_close(encoder(hidden), nn.functional.rms_norm(expected, (WIDTH,), eps=1e-5))


def test_token_ids_need_an_embedding_and_fit_its_positions() -> None:
    ids = torch.randint(VOCABULARY, (BATCH, TOKENS))
    with pytest.raises(
        LayerError,
        match=r"a stack without an embedding takes vectors \[batch, tokens, d_model\] as inputs, got \[2, 6\]",
    ):
        Encoder(CONFIG, LAYERS)(ids)
    short = Encoder(CONFIG, LAYERS, embedding=Embedding(VOCABULARY, WIDTH, max_positions=TOKENS - 1))
    with pytest.raises(LayerError, match="the model has 5 positions, got 6 tokens"):
        short(ids)
    assert short(ids[:, 1:]).shape == (BATCH, TOKENS - 1, WIDTH)
    with pytest.raises(LayerError, match="segment_ids are given, but the model has no segments"):
        short(ids[:, 1:], segment_ids=torch.zeros_like(ids[:, 1:]))


def test_examples_of_no_and_of_one_token() -> None:
    encoder = Encoder(CONFIG, LAYERS)
    layout = torch.tensor([[0] * TOKENS, [1] + [0] * (TOKENS - 1)])
    hidden = states().requires_grad_()
    output = encoder(hidden, causal(), layout=layout)
    output.sum().backward()
    assert output.isfinite().all()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()
    torch.testing.assert_close(output[1:, :1], encoder(hidden[1:, :1], causal()))
