"""Special tokens by the names that masks use."""

import pytest
import torch
from transformers import AutoTokenizer, BertModel

from finetune.attention.masks.base import Needs
from finetune.attention.pretrained import apply_masks, special_token_ids
from finetune.attention.pretrained.special_tokens import needed_token_ids
from tests.attention.pretrained.test_arguments import IDS, expected, hidden
from tests.attention.pretrained.tiny import CLS, PAD, SEP, batch, build


def test_several_ids_can_share_a_name_and_the_config_knows_some() -> None:
    by_list = apply_masks(build("BertModel"), {"encoder": "global_tokens(mark)"}, special_tokens={"mark": [SEP, CLS]})
    marks = {"is_mark": torch.isin(IDS, torch.tensor([SEP, CLS])).long()}
    assert hidden(by_list).allclose(expected(by_list, "global_tokens(mark)", marks, {}), atol=1e-5)
    t5 = apply_masks(build("T5EncoderModel"), {"encoder": "global_tokens(eos)"})
    inputs = batch("T5EncoderModel")
    spelt = apply_masks(build("T5EncoderModel"), {"encoder": "global_tokens(end)"}, special_tokens={"end": SEP})
    assert t5(**inputs).last_hidden_state.equal(spelt(**inputs).last_hidden_state)


@pytest.mark.network
def test_a_tokenizer_names_its_special_tokens() -> None:
    from finetune.samples.minilm import minilm_folder

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


def test_ids_that_are_given_come_before_those_of_the_config_and_unread_ones_are_left_out() -> None:
    model = build("T5EncoderModel")
    needs = Needs(columns=frozenset({"is_eos", "is_pad", "is_star"}))
    assert needed_token_ids(model, {}, needs) == {"eos": (SEP,), "pad": (PAD,)}
    given: dict[str, int | list[int]] = {"eos": 9, "star": [7, 8], "unread": 5}
    assert needed_token_ids(model, given, needs) == {"eos": (9,), "pad": (PAD,), "star": (7, 8)}
