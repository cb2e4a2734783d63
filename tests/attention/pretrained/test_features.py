import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer, BertModel, PreTrainedModel

from finetune.attention.layers import Encoder
from finetune.attention.layout import Padded
from finetune.attention.masks import parse
from finetune.attention.pretrained import PretrainedError, apply_masks, special_token_ids
from tests.attention.pretrained.tiny import CLS, SEP, SOURCE, batch, build, padding, tokens

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


def test_several_ids_can_share_a_name_and_the_config_knows_some() -> None:
    by_list = apply_masks(build("BertModel"), {"encoder": "global_tokens(mark)"}, special_tokens={"mark": [SEP, CLS]})
    marks = {"is_mark": torch.isin(IDS, torch.tensor([SEP, CLS])).long()}
    assert hidden(by_list).allclose(expected(by_list, "global_tokens(mark)", marks, {}), atol=1e-5)
    t5 = apply_masks(build("T5EncoderModel"), {"encoder": "global_tokens(eos)"})
    inputs = batch("T5EncoderModel")
    spelt = apply_masks(build("T5EncoderModel"), {"encoder": "global_tokens(end)"}, special_tokens={"end": SEP})
    assert t5(**inputs).last_hidden_state.equal(spelt(**inputs).last_hidden_state)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("global_tokens(cls)", r"token column 'is_cls', which is not given.*special_tokens=\{name: id\}"),
        ("same(word)", r"token column 'word', which is not given; there are .*segment.*mask_features=\{name: tensor\}"),
        ("prefix(start)", "example's value 'start', which is not given; there are none"),
    ],
)
def test_what_is_not_given_is_asked_for(mask: str, message: str) -> None:
    model = apply_masks(build("BertModel"), {"encoder": mask})
    with pytest.raises(PretrainedError, match=message):
        hidden(model)


def test_segments_are_never_made_up() -> None:
    model = apply_masks(build("BertModel"), {"encoder": "same(segment)"})
    with pytest.raises(PretrainedError, match=r"'segment', which is not given.*segments as token_type_ids"):
        model(input_ids=IDS, attention_mask=MASK)


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


@pytest.mark.network
def test_a_tokenizer_names_its_special_tokens() -> None:
    from finetune.data.samples import minilm_folder

    folder = minilm_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = special_token_ids(tokenizer)
    assert {"cls", "sep", "pad", "mask", "unk"} <= ids.keys()
    assert all(isinstance(each, int) for each in ids.values())
    model = apply_masks(
        BertModel.from_pretrained(folder), {"encoder": "window(1) | global_tokens(cls)"}, special_tokens=ids
    )
    encoded = tokenizer(["a text of some length"], return_tensors="pt")
    at_start = apply_masks(BertModel.from_pretrained(folder), {"encoder": "window(1) | global_tokens(0)"})
    found = model(**encoded).last_hidden_state
    torch.testing.assert_close(found, at_start(**encoded).last_hidden_state)
