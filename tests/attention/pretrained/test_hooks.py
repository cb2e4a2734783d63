"""The hooks change the arguments and outputs of a model's parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained.hooks import with_values
from finetune.attention.pretrained.tokens import COLUMN_KEY, VALUE_KEY, MaskRequest, Tokens
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import SEP, SOURCE, TARGET, batch, build

NAME = "T5ForConditionalGeneration"
CPU = torch.device("cpu")


@contextmanager
def calls_of(module: nn.Module) -> Iterator[list[dict[str, Any]]]:
    """Collect the keyword arguments of each call of a module, as the hooks have changed them."""
    calls: list[dict[str, Any]] = []
    handle = module.register_forward_pre_hook(lambda module, args, kwargs: calls.append(dict(kwargs)), with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


def test_each_stack_is_called_with_requests_in_place_of_masks() -> None:
    model: Any = apply_masks(build(NAME), {"decoder": "window(1)", "cross": "window(2)"})
    with calls_of(model.encoder) as encoder, calls_of(model.decoder) as decoder:
        model(**batch(NAME))
    assert encoder[0]["attention_mask"].site == "encoder"
    own, cross = decoder[0]["attention_mask"], decoder[0]["encoder_attention_mask"]
    assert isinstance(own, MaskRequest)
    assert own.keys is own.queries
    assert (own.site, own.query_length, own.keys.padded_length) == ("decoder", TARGET, TARGET)
    assert (cross.site, cross.query_length, cross.keys.padded_length) == ("cross", TARGET, SOURCE)


def test_positions_of_a_stream_begin_anew_in_each_example() -> None:
    model = apply_masks(build("BertForTokenClassification"), Program())
    layout = Ragged.from_lengths([3, 1, 4])
    ids = torch.full((1, layout.total), 9)
    with calls_of(model.base_model) as calls:
        model(ids, layout=layout)
        model(ids, layout=layout, position_ids=torch.zeros_like(ids))
    assert calls[0]["position_ids"][0, : layout.total].tolist() == [0, 1, 2, 0, 0, 1, 2, 3]
    assert not calls[1]["position_ids"].any(), "those that are given stay"


def test_the_encoders_output_carries_what_the_decoders_masks_read_and_nothing_else() -> None:
    program = {"encoder": "same(word)", "decoder": "causal() & prefix(size)", "cross": "global_tokens(eos)"}
    model: Any = apply_masks(build(NAME), program)
    inputs = {key: value for key, value in batch(NAME).items() if key != "labels"}
    features = {"word": inputs["input_ids"] % 3, "size": torch.tensor([1, 2])}
    encoded = model.encoder(**inputs, mask_features=features)
    carried = {name for name in encoded if name.startswith((COLUMN_KEY, VALUE_KEY))}
    assert carried == {f"{COLUMN_KEY}is_eos", f"{VALUE_KEY}size"}
    assert encoded[f"{COLUMN_KEY}is_eos"].equal((inputs["input_ids"] == SEP).long())
    assert encoded[f"{VALUE_KEY}size"] is features["size"] or encoded[f"{VALUE_KEY}size"].equal(features["size"])


def test_the_models_own_values_come_before_those_of_the_other_side() -> None:
    own, other = torch.tensor([1]), torch.tensor([2])
    tokens = Tokens(1, 3, CPU, values={"size": own})
    assert with_values(tokens, {}) is tokens
    both = with_values(tokens, {"size": other, "start": other})
    assert both.values == {"size": own, "start": other}


def test_an_input_beyond_the_last_position_is_refused_with_both_lengths() -> None:
    model = apply_masks(build("BertModel"), Program())
    with pytest.raises(PretrainedError, match="the model has 24 positions and cannot read 25 tokens; cut the text"):
        model(torch.full((1, 25), 9))


def test_a_source_of_rows_and_a_target_of_a_stream_are_refused() -> None:
    model = apply_masks(build(NAME), Program())
    ids = torch.full((1, 5), 9)
    with pytest.raises(PretrainedError, match="give both layout and decoder_layout, or neither"):
        model(ids, decoder_input_ids=ids, decoder_layout=Ragged.from_lengths([2, 3]), use_cache=False)
