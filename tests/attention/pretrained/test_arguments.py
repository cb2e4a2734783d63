"""The arguments of a call give masks their special tokens, segments, features, padding and cache length."""

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from finetune.attention.layers import Encoder
from finetune.attention.layout import Padded
from finetune.attention.masks import parse
from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained.arguments import cached_length, carried_tokens, target_padding
from finetune.attention.pretrained.tokens import COLUMN_KEY, VALUE_KEY
from tests.attention.pretrained.tiny import SEP, SOURCE, batch, build, padding, tokens

MASK = padding([SOURCE, 5], SOURCE)
IDS = tokens(MASK)
SEGMENTS = torch.tensor([[0, 0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0, 0]])
VALID = MASK == 1


def expected(model: PreTrainedModel, mask: str, columns: dict[str, Tensor], values: dict[str, Tensor]) -> Tensor:
    layout = Padded.from_attention_mask(MASK, columns, values)
    return Encoder.from_pretrained(model)(IDS, parse(mask), layout=layout, segment_ids=SEGMENTS)[VALID]  # type: ignore[no-any-return]


def hidden(model: PreTrainedModel, **inputs: object) -> Tensor:
    states: Tensor = model(input_ids=IDS, attention_mask=MASK, token_type_ids=SEGMENTS, **inputs).last_hidden_state
    return states[VALID]


@pytest.mark.parametrize(
    ("mask", "columns", "values"),
    [
        ("global_tokens(sep) | window(1)", {"is_sep": (IDS == SEP).long()}, {}),
        ("same(segment)", {"segment": SEGMENTS}, {}),
        ("same(word) | prefix(start)", {"word": IDS % 3}, {"start": torch.tensor([1, 4])}),
    ],
)
def test_masks_read_tokens_segments_and_given_features(
    mask: str, columns: dict[str, Tensor], values: dict[str, Tensor]
) -> None:
    stock = build("BertModel")
    model = apply_masks(build("BertModel"), {"encoder": mask}, special_tokens={"sep": SEP})
    features = {"word": (IDS % 3).int(), "start": torch.tensor([1, 4]), "unread": torch.tensor([0, 0])}
    found = hidden(model, mask_features=features)
    torch.testing.assert_close(found, expected(stock, mask, columns, values), atol=1e-5, rtol=1e-5)


def test_a_feature_given_by_name_comes_before_what_the_tokens_say() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "same(segment)"})
    given = hidden(model, mask_features={"segment": IDS})
    torch.testing.assert_close(given, expected(model, "same(word)", {"word": IDS}, {}), atol=1e-5, rtol=1e-5)


def test_heads_on_top_pass_features_on() -> None:
    inputs = {key: each for key, each in batch("BertForSequenceClassification").items() if key != "labels"}
    wide = torch.zeros(2, SOURCE, dtype=torch.int64)
    model = apply_masks(build("BertForSequenceClassification"), {"encoder": "same(side)"})
    stock = build("BertForSequenceClassification")
    torch.testing.assert_close(model(**inputs, mask_features={"side": wide}).logits, stock(**inputs).logits)
    t5_inputs = {key: each for key, each in batch("T5ForTokenClassification").items() if key != "labels"}
    t5 = apply_masks(build("T5ForTokenClassification"), {"encoder": "same(side)"})
    found = t5(**t5_inputs, mask_features={"side": wide}).logits[0]
    torch.testing.assert_close(found, build("T5ForTokenClassification")(**t5_inputs).logits[0])


def test_embedded_inputs_have_no_special_tokens() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "global_tokens(sep)"}, special_tokens={"sep": SEP})
    embedded = model.get_input_embeddings()(IDS)
    with pytest.raises(PretrainedError, match="'is_sep', which is not given"):
        model(inputs_embeds=embedded, attention_mask=MASK)
    marks = {"is_sep": (IDS == SEP)}
    found = model(inputs_embeds=embedded, attention_mask=MASK, mask_features=marks).last_hidden_state
    assert found.equal(model(input_ids=IDS, attention_mask=MASK).last_hidden_state)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            {"word": torch.zeros(2, SOURCE - 1).long()},
            r"feature 'word' of the masks has shape \[2, 6\]; expected \[2, 7\]",
        ),
        ({"word": torch.zeros(2, SOURCE)}, "must hold integers"),
        ("word", "must be a mapping from names to tensors, got str"),
    ],
)
def test_features_of_the_wrong_kind_are_refused(features: object, message: str) -> None:
    model = apply_masks(build("BertModel"), {"encoder": "same(word)"})
    with pytest.raises(ValueError, match=message):
        hidden(model, mask_features=features)


def test_a_call_without_tokens_is_left_to_the_model() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "window(1)"})
    with pytest.raises(ValueError, match="You must specify exactly one of input_ids or inputs_embeds"):
        model()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # EncoderDecoderModel's, at each loss
@pytest.mark.parametrize("name", ["T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_the_targets_padding_is_told_from_the_labels(name: str) -> None:
    model = apply_masks(build(name), {"decoder": {"mask": "full()", "bidirectional": True}})
    inputs = batch(name)
    with_padding = model(**inputs).logits[1:, :3]
    alone = {key: each[1:] for key, each in inputs.items()}
    alone["labels"] = alone["labels"][:, :3]
    torch.testing.assert_close(with_padding, model(**alone).logits, atol=1e-5, rtol=1e-5)


def test_arguments_by_position_are_those_by_name() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "same(segment)"})
    by_position = model(IDS, MASK, SEGMENTS).last_hidden_state
    assert by_position.equal(model(input_ids=IDS, attention_mask=MASK, token_type_ids=SEGMENTS).last_hidden_state)


def test_an_encoder_refuses_a_cache() -> None:
    cache = DynamicCache()
    cache.update(torch.zeros(2, 4, 3, 8), torch.zeros(2, 4, 3, 8), 0)
    assert cached_length(None, "decoder") == 0
    assert cached_length(DynamicCache(), "encoder") == 0
    assert cached_length(cache, "decoder") == 3
    with pytest.raises(PretrainedError, match="an encoder was given a cache, as prefix tuning does"):
        cached_length(cache, "encoder")


def test_a_prompt_without_labels_is_no_padding() -> None:
    labels = torch.tensor([[-100, -100, 5, 6, -100], [-100, 7, -100, -100, -100]])
    expected = [[True, True, True, True, False], [True, True, False, False, False]]
    found = target_padding({"labels": labels})
    assert found is not None
    assert found.tolist() == expected
    assert target_padding({"decoder_input_ids": labels}) is None
    assert target_padding({"attention_mask": MASK}) is MASK


def test_features_that_are_given_replace_those_that_the_encoders_output_carries() -> None:
    states = torch.zeros(2, SOURCE, 32)
    carried = {"last_hidden_state": states, COLUMN_KEY + "word": IDS, VALUE_KEY + "size": torch.tensor([1, 2])}
    encoded = BaseModelOutput(last_hidden_state=states)
    for name, tensor in carried.items():
        encoded[name] = tensor
    found = carried_tokens(encoded, MASK, None, None)
    assert found.columns["word"].equal(IDS)
    assert found.values["size"].tolist() == [1, 2]
    replaced = carried_tokens(encoded, MASK, {"size": torch.tensor([3, 4])}, None)
    assert replaced.values["size"].tolist() == [3, 4]
    assert replaced.columns["word"].equal(IDS)
