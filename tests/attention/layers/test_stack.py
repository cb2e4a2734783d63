import pytest
import torch
from torch import Tensor, nn

from finetune.attention.kernels import dense_attention
from finetune.attention.layers import (
    Decoder,
    DecoderLayer,
    Embedding,
    Encoder,
    EncoderDecoder,
    EncoderLayer,
    FeedForward,
    LayerConfig,
    LayerError,
    RelativePositionBias,
)
from finetune.attention.layout import LayoutError, Padded, padded_mask
from finetune.attention.masks import causal, full, per_head, prefix, same, window
from finetune.attention.program import Program

BATCH, TOKENS, WIDTH, HEADS, LAYERS, VOCABULARY = 2, 6, 8, 2, 2, 11
CONFIG = LayerConfig(WIDTH, HEADS, 16, dropout=0.0)
KEEP = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 0]])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def states(seed: int = 0) -> Tensor:
    return torch.randn(BATCH, TOKENS, WIDTH, generator=torch.Generator().manual_seed(seed))


def as_torch(layer: EncoderLayer, norm_first: bool) -> nn.TransformerEncoderLayer:
    """torch's layer with the same weights."""
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


def test_padding_changes_nothing_on_either_side() -> None:
    encoder = Encoder(CONFIG, LAYERS)
    hidden = states()
    padded = encoder(hidden, window(1), layout=KEEP)
    alone = encoder(hidden[1:, 2:5], window(1))
    torch.testing.assert_close(padded[1:, 2:5], alone)
    torch.testing.assert_close(padded[:1], encoder(hidden[:1], window(1)))


def test_each_layer_can_have_its_mask_and_each_head() -> None:
    encoder = Encoder(CONFIG, LAYERS)
    masks = (per_head(window(1), full()), causal())
    hidden = expected = states()
    for number, mask in enumerate(masks):
        expected = encoder.layers[number](expected, mask.dense(TOKENS, num_heads=HEADS)[None])
    torch.testing.assert_close(encoder(hidden, masks), expected)
    with pytest.raises(LayerError, match="there are 2 layers, got 1 masks"):
        encoder(hidden, masks[:1])


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


def test_a_decoder_is_causal_until_told_otherwise() -> None:
    decoder = Decoder(CONFIG, LAYERS)
    hidden, memory = states(), states(seed=1)
    changed = hidden.clone()
    changed[:, 3:] += 1
    assert decoder(changed, memory)[:, :3].equal(decoder(hidden, memory)[:, :3])
    assert not decoder(changed, memory, full())[:, :3].isclose(decoder(hidden, memory, full())[:, :3]).any(-1).all()


def test_an_encoder_decoder_obeys_a_program() -> None:
    model = EncoderDecoder(Encoder(CONFIG, LAYERS), Decoder(CONFIG, LAYERS))
    source, target = states(), states(seed=1)
    program = Program.from_config({"encoder": "window(1)", "decoder": "causal() | prefix(2)", "cross": "window(1, 2)"})
    memory = model.encoder(source, window(1), layout=KEEP)
    expected = model.decoder(target, memory, causal() | prefix(2), window(1, 2), memory_layout=KEEP)
    torch.testing.assert_close(model(source, target, program, source_layout=KEEP), expected)
    standard = model.decoder(target, model.encoder(source))
    torch.testing.assert_close(model(source, target), standard)


def test_cross_attention_counts_positions_on_each_side() -> None:
    decoder = Decoder(CONFIG, 1)
    target, memory = states(), states(seed=1)
    layout = Padded.from_attention_mask(KEEP)
    layer = decoder.layers[0]
    assert isinstance(layer, DecoderLayer)
    allowed = padded_mask(window(0), Padded.from_attention_mask(torch.ones_like(KEEP)), layout)
    expected = layer(target, memory, causal(), allowed)
    torch.testing.assert_close(decoder(target, memory, memory_mask=window(0), memory_layout=KEEP), expected)


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
        LayerError, match=r"without an embedding, vectors \[batch, tokens, d_model\] go in, got \[2, 6\]"
    ):
        Encoder(CONFIG, LAYERS)(ids)
    short = Encoder(CONFIG, LAYERS, embedding=Embedding(VOCABULARY, WIDTH, max_positions=TOKENS - 1))
    with pytest.raises(LayerError, match="the model has 5 positions, got 6 tokens"):
        short(ids)
    assert short(ids[:, 1:]).shape == (BATCH, TOKENS - 1, WIDTH)
    with pytest.raises(LayerError, match="segment_ids are given, but the model has no segments"):
        short(ids[:, 1:], segment_ids=torch.zeros_like(ids[:, 1:]))


def test_padding_between_tokens_is_refused() -> None:
    with pytest.raises(LayoutError, match="row 0 of the attention mask has padding between its tokens"):
        Encoder(CONFIG, LAYERS)(states(), layout=torch.tensor([[1, 0, 1, 1, 1, 1]] * BATCH))


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
