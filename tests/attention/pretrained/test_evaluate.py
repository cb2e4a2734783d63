"""Requests are evaluated to masks; masks that lack a column or change their meaning in generation are refused."""

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from finetune.attention.layout import LayoutError, Padded, padded_mask
from finetune.attention.masks import Mask, causal, full, parse
from finetune.attention.pretrained import PretrainedError, apply_masks
from finetune.attention.pretrained.evaluate import check_generation, evaluate_masks, never_ahead
from finetune.attention.pretrained.tokens import MaskRequest, Tokens
from finetune.attention.program import Program
from tests.attention.expressions import masks
from tests.attention.pretrained.test_arguments import IDS, MASK, hidden
from tests.attention.pretrained.tiny import HEADS, batch, build, padding


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


def test_padding_between_tokens() -> None:
    holes = torch.tensor([[1, 1, 0, 1, 1, 1, 1]] * 2)
    inputs = {**batch("BertModel"), "attention_mask": holes}
    with pytest.raises(LayoutError, match="row 0 of the attention mask has padding between its tokens"):
        apply_masks(build("BertModel"), {"encoder": "window(1)"})(**inputs)
    standard = apply_masks(build("BertModel"), Program())
    assert standard(**inputs).last_hidden_state.equal(build("BertModel")(**inputs).last_hidden_state)


@settings(deadline=None, max_examples=100)
@given(mask=masks.filter(lambda mask: not mask.needs.columns and not mask.needs.values))
def test_a_mask_that_is_said_never_to_look_ahead_does_not(mask: Mask) -> None:
    for each in (mask, causal() & mask):
        ahead = torch.ones(6, 6, dtype=torch.bool).triu(1)
        if never_ahead(each):
            assert not (each.dense(6, num_heads=HEADS) & ahead).any()
    assert never_ahead(parse("causal() & (window(2) | strided(2))"))
    assert not never_ahead(full())


@pytest.mark.parametrize("past", [0, 1, 3])
@pytest.mark.parametrize("lengths", [[5, 5], [5, 2]])
@pytest.mark.parametrize(("site", "mask"), [("encoder", full()), ("decoder", causal())])
def test_stock_masks_are_those_of_the_general_way(site: str, mask: Mask, past: int, lengths: list[int]) -> None:
    """The two ways are compared at tokens; at padding the stock model has other masks."""
    if site == "encoder" and past:
        return
    valid = padding(lengths, 5) == 1
    tokens = Tokens(2, 5, valid.device, None if all(length == 5 for length in lengths) else valid)
    request = MaskRequest(site, (mask,), HEADS, tokens, tokens, past)  # type: ignore[arg-type]
    (allowed,) = evaluate_masks(request).allowed
    found = torch.ones(2, HEADS, 5 - past, 5, dtype=torch.bool) & allowed.exact if allowed.exact is not None else None
    layout = Padded.from_attention_mask(valid)
    expected = padded_mask(mask, layout, num_heads=HEADS, query_offset=past).expand(2, HEADS, 5 - past, 5)
    at_tokens: Tensor = valid[:, None, past:, None]
    if found is None:
        assert expected.all()
    else:
        assert (found & at_tokens).equal(expected & at_tokens)


def test_masks_whose_meaning_changes_while_a_text_grows_are_refused() -> None:
    with pytest.raises(PretrainedError, match="site 'cross' depends on the length of the text"):
        check_generation(parse("global_tokens(-1)"), "cross", cached=False)
    columns = parse("same(word)")
    with pytest.raises(PretrainedError, match="reads token columns, which a cache does not hold"):
        check_generation(columns, "decoder", cached=True)
    check_generation(columns, "decoder", cached=False)
    check_generation(columns, "cross", cached=True)
