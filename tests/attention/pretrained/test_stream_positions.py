"""Stacks that would count positions along a ragged stream read padded rows alone, and refuse streams."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers
from transformers import PreTrainedModel

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import (
    Family,
    PretrainedError,
    apply_masks,
    reads_streams,
    register_family,
    unregister_family,
)
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import HEADS, PAD, SEP, SOURCE, TARGET, VOCABULARY, padding, tokens

SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), HEADS),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 48),
    "max_position_embeddings": 64,
    "init_std": 0.3,
    "pad_token_id": PAD,
    "bos_token_id": 2,
    "eos_token_id": SEP,
    "decoder_start_token_id": 2,
}
CLASSES = {
    "Bart": "BartForConditionalGeneration",
    "MBart": "MBartForConditionalGeneration",
    "Marian": "MarianMTModel",
    "Pegasus": "PegasusForConditionalGeneration",
    "M2M100": "M2M100ForConditionalGeneration",
}


@pytest.fixture(params=CLASSES)
def model(request: pytest.FixtureRequest) -> Iterator[PreTrainedModel]:
    """A model whose family does not name the way in which tokens get their positions."""
    name = request.param
    names: dict[str, Any] = {
        "stack": f"{name}Encoder",
        "decoder_stack": f"{name}Decoder",
        "attention": (f"{name}Attention",),
    }
    added = register_family(Family(name, (name.lower(),), is_encoder_decoder=True, cross="encoder_attn", **names))
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SMALL)
    yield getattr(transformers, CLASSES[name])(config).eval()
    unregister_family(added)


def test_a_family_of_unknown_positions_reads_padded_rows_alone(model: PreTrainedModel) -> None:
    mask = padding([SOURCE, 4], SOURCE)
    inputs = {"input_ids": tokens(mask), "attention_mask": mask, "decoder_input_ids": tokens(padding([TARGET] * 2, 5))}
    expected = model(**inputs).logits
    masked = apply_masks(model, Program())
    torch.testing.assert_close(masked(**inputs).logits, expected, atol=1e-5, rtol=1e-5)
    assert not reads_streams(masked)
    ids, layout = torch.full((1, 5), 9), Ragged.from_lengths([2, 3])
    with pytest.raises(PretrainedError, match="is not known to take the positions of tokens from outside"):
        masked(ids, layout=layout, decoder_input_ids=ids, decoder_layout=layout, use_cache=False)


def test_positions_that_a_forward_does_not_take_are_told() -> None:
    claimed = Family(
        "BART", ("bart",), stack="BartEncoder", attention=("BartAttention",), stream_positions="position_ids"
    )
    register_family(claimed)
    try:
        encoder = apply_masks(transformers.BartModel(transformers.BartConfig(**SMALL)).encoder, Program())
    finally:
        unregister_family(claimed)
    with pytest.raises(PretrainedError, match="forward of BartEncoder has no position_ids"):
        encoder(torch.full((1, 5), 9), layout=Ragged.from_lengths([2, 3]))
