"""Beam search gives the texts of transformers also where few tokens, or none, are allowed."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from finetune.generation import generate
from tests.attention.pretrained.tiny import PAD, SEP, VOCABULARY
from tests.generation.models import NAMES, encode, source, writer

LONGEST = 5


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return writer(request.param)


def same_texts(model: Any, **rules: Any) -> torch.Tensor:
    inputs = source((5, 2, 4))
    theirs: torch.Tensor = model.generate(**inputs, do_sample=False, max_new_tokens=LONGEST, **rules)
    ours = generate(model, encode(model, inputs), inputs["attention_mask"], max_new_tokens=LONGEST, **rules)
    assert ours.equal(theirs)
    return ours


@settings(max_examples=40, deadline=None)
@given(
    allowed=st.sets(st.integers(0, VOCABULARY - 1), max_size=6),
    num_beams=st.integers(2, 4),
    no_repeat=st.integers(0, 2),
    length_penalty=st.sampled_from([-1.0, 0.0, 1.0, 2.0]),
    early_stopping=st.sampled_from([True, False, "never"]),
    min_new_tokens=st.integers(0, 3),
)
def test_with_few_tokens_or_none(
    model: PreTrainedModel,
    allowed: set[int],
    num_beams: int,
    no_repeat: int,
    length_penalty: float,
    early_stopping: bool | str,
    min_new_tokens: int,
) -> None:
    same_texts(
        model,
        suppress_tokens=sorted(set(range(VOCABULARY)) - allowed) or None,
        no_repeat_ngram_size=no_repeat,
        num_beams=num_beams,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        min_new_tokens=min_new_tokens,
    )


def test_where_no_text_can_end_the_best_that_was_begun_is_given(model: PreTrainedModel) -> None:
    begun = same_texts(model, num_beams=3, no_repeat_ngram_size=1, suppress_tokens=[*range(5), *range(7, VOCABULARY)])
    assert set(begun[0, 1:].tolist()) == {5, 6}
    assert same_texts(model, num_beams=2, suppress_tokens=[*range(VOCABULARY)]).shape == (3, 1)


def test_where_one_example_alone_cannot_end(model: PreTrainedModel) -> None:
    start = model.config.decoder_start_token_id or PAD
    prompts = torch.tensor([[start, 7], [start, 5], [start, 6]])
    free = same_texts(model, num_beams=2, decoder_input_ids=prompts)
    after_seven = [[7, token] for token in range(VOCABULARY)]
    banned = same_texts(model, num_beams=2, decoder_input_ids=prompts, bad_words_ids=after_seven)
    assert set(banned[0, 2:].tolist()) <= {PAD, SEP}
    assert free.shape[1] > 2
