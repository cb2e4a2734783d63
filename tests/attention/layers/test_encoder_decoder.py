import pytest
import torch

from finetune.attention.layer_numbers import ProgramError
from finetune.attention.layers import (
    Decoder,
    Encoder,
    EncoderDecoder,
)
from finetune.attention.masks import causal, prefix, window
from finetune.attention.program import Program
from tests.attention.layers.small import CONFIG, KEEP, LAYERS, states
from tests.attention.layers.small import seeded as seeded


def test_an_encoder_decoder_obeys_a_program() -> None:
    model = EncoderDecoder(Encoder(CONFIG, LAYERS), Decoder(CONFIG, LAYERS))
    source, target = states(), states(seed=1)
    program = Program.from_config({"encoder": "window(1)", "decoder": "causal() | prefix(2)", "cross": "window(1, 2)"})
    memory = model.encoder(source, window(1), layout=KEEP)
    expected = model.decoder(target, memory, causal() | prefix(2), window(1, 2), memory_layout=KEEP)
    torch.testing.assert_close(model(source, target, program, source_layout=KEEP), expected)
    standard = model.decoder(target, model.encoder(source))
    torch.testing.assert_close(model(source, target), standard)


def test_a_program_that_does_not_fit_the_layers_is_refused() -> None:
    model = EncoderDecoder(Encoder(CONFIG, LAYERS), Decoder(CONFIG, LAYERS))
    program = Program.from_config({"cross": {"layers": {"2": "window(1)"}}})
    with pytest.raises(ProgramError, match="names layer 2, but there are 2 layers"):
        model(states(), states(seed=1), program)
