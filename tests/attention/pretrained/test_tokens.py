"""The tokens of a call: forms of the attention mask, positions, layouts and features."""

import pytest
import torch
from torch import Tensor

from finetune.attention.layers import to_allowed
from finetune.attention.layout import Ragged
from finetune.attention.masks import full
from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained.size_bucketing import bucketed_length
from finetune.attention.pretrained.tokens import MaskRequest, Tokens, bucketed, check_stream, split_features
from finetune.attention.program import Program
from tests.attention.pretrained.tiny import SOURCE, batch, build

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(2, 1, SOURCE, SOURCE), r"attention_mask must be a tensor \[batch, tokens\].* got \[2, 1, 7, 7\]"),
        (torch.ones(2, SOURCE, SOURCE), r"got \[2, 7, 7\]: who may attend to whom is given by the program"),
        (torch.ones(2, SOURCE + 2), r"has shape \[2, 9\], but the tokens are \[2, 7\]; .*prefix tuning"),
        ({"full_attention": None}, "got dict"),
    ],
)
@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_an_attention_mask_of_another_kind(name: str, mask: object, message: str) -> None:
    for program in ({"encoder": "window(1)"}, Program()):
        model = apply_masks(build(name), program)
        with pytest.raises(PretrainedError, match=message):
            model(**{**batch(name), "attention_mask": mask})


ADDITIVE = torch.zeros(2, SOURCE).masked_fill(torch.arange(SOURCE) > 4, -torch.inf)


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        (ADDITIVE, "got torch.float32, as in masks that are added to the scores"),
        (ADDITIVE.clamp(min=torch.finfo(torch.bfloat16).min).bfloat16(), "got torch.bfloat16"),
        (torch.ones(2, SOURCE), "got torch.float32"),
        (torch.zeros(2, SOURCE), "got torch.float32"),
        (torch.tensor([[1, 1, 1, 2, 2, 3, 0]] * 2), "got numbers from 0 to 3"),
        (-torch.ones(2, SOURCE, dtype=torch.int32), "got numbers from -1 to -1"),
        (255 * torch.ones(2, SOURCE, dtype=torch.uint8), "got numbers from 255 to 255"),
    ],
    ids=["0 and -inf", "0 and the lowest", "float ones", "float zeros", "packed", "-1", "255"],
)
@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_an_attention_mask_whose_numbers_may_mean_something_else(name: str, mask: Tensor, found: str) -> None:
    for program in ({"encoder": "window(1)"}, Program()):
        model = apply_masks(build(name), program)
        sites = ["attention_mask"] + (["decoder_attention_mask"] if "labels" in batch(name) else [])
        for site in sites:
            width = batch(name)["labels"].shape[1] if site.startswith("decoder") else SOURCE
            with pytest.raises(
                PretrainedError, match=rf"^attention_mask must be boolean .* {found}.*layers.to_allowed\("
            ):
                model(**{**batch(name), site: mask[:, :width] if "3" not in found else mask[:, -width:]})


@pytest.mark.parametrize("name", ["BertModel", "T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_a_mask_that_was_converted_is_that_of_integers(name: str) -> None:
    inputs = batch(name)
    additive = torch.zeros(inputs["attention_mask"].shape).masked_fill(inputs["attention_mask"] == 0, -torch.inf)
    model = apply_masks(build(name), {"encoder": "window(1)"})
    for mask in (to_allowed(additive, "-inf = ignore"), inputs["attention_mask"].to(torch.uint8)):
        assert model(**{**inputs, "attention_mask": mask})[0].equal(model(**inputs)[0])


def test_the_last_positions_of_padded_rows_keep_their_positions_in_the_example() -> None:
    valid = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]], dtype=torch.bool)
    tokens = Tokens(2, 4, CPU, valid, columns={"word": torch.tensor([[0, 5, 6, 7], [1, 2, 3, 4]])})
    last = tokens.last(2, tokens.layout())
    assert last.positions.tolist() == [[1, 2], [2, 3]]
    assert last.columns["word"].tolist() == [[6, 7], [3, 4]]


def test_a_request_has_the_shape_of_the_attention_mask_of_its_keys() -> None:
    queries, keys = Tokens(2, 6, CPU), Tokens(2, 9, CPU)
    request = MaskRequest("cross", (full(),), 4, queries, keys, past=5)
    assert request.shape == (2, 9)
    assert request.ndim == len(request.shape)
    assert request.to(torch.bool) is request
    assert request.query_length == 1
    assert request.is_step
    assert not MaskRequest("cross", (full(),), 4, queries, keys, past=4).is_step


def test_bucketing_lengthens_streams_alone() -> None:
    stream = Ragged.from_lengths([3, 8])
    assert bucketed(Tokens(1, 11, CPU, stream=stream)).padded_length == bucketed_length(11, CPU)
    rows = Tokens(2, 11, CPU)
    assert bucketed(rows) is rows


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ([3, 4], "layout must be a Ragged layout, got list"),
        (Ragged.from_lengths([3, 5]), r"one row, \[1, 8\] tokens by its layout, but the tokens are \[1, 7\]"),
    ],
)
def test_a_layout_that_does_not_fit(layout: object, message: str) -> None:
    with pytest.raises(PretrainedError, match=message):
        check_stream(layout, 1, 7, "layout")


def test_features_are_split_into_columns_and_values_by_their_shape() -> None:
    features = {"word": torch.ones(1, 7, dtype=torch.int8), "size": torch.tensor([3, 4])}
    columns, values = split_features(features, 1, 7, CPU, Ragged.from_lengths([3, 4]))
    assert {name: column.dtype for name, column in columns.items()} == {"word": torch.int64}
    assert values["size"].tolist() == [3, 4]
    with pytest.raises(PretrainedError, match=r"shape \[2\]; expected \[1, 7\], a number for each token, or \[1\]"):
        split_features(features, 1, 7, CPU)
