"""The rules of a text tell which settings this search supports, and when a text ends."""

from typing import Any

import pytest
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    MaxLengthCriteria,
    MinLengthLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteriaList,
    TopKLogitsWarper,
)
from transformers.generation.stopping_criteria import MaxTimeCriteria

from finetune.generation.rules import Rules, Unsupported

PAD, END, OTHER_END = 4, 1, 9


def rules(processors: Any = (), criteria: Any = (), pad: int = PAD, **settings: Any) -> Rules:
    options: dict[str, Any] = {"max_length": 6, "pad_token_id": pad, "eos_token_id": [END, OTHER_END], **settings}
    config: Any = GenerationConfig(**options)  # type: ignore[no-untyped-call]
    # transformers prepares these two before it calls the search.
    config._pad_token_tensor, config._eos_token_tensor = torch.tensor(pad), torch.tensor([END, OTHER_END])
    return Rules.of(config, LogitsProcessorList(processors), StoppingCriteriaList(criteria))


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"do_sample": True}, "mode"),
        ({"penalty_alpha": 0.6, "top_k": 4}, "mode"),
        ({"return_dict_in_generate": True}, "output"),
        ({"num_beams": 3, "num_return_sequences": 2}, "output"),
        ({"cache_implementation": "static"}, "cache"),
        ({"prefill_chunk_size": 2}, "cache"),
        ({"processors": [TopKLogitsWarper(3)]}, "TopKLogitsWarper"),
        ({"criteria": [MaxTimeCriteria(1.0)]}, "MaxTimeCriteria"),
        ({"processors": [RepetitionPenaltyLogitsProcessor(1.2, prompt_ignore_length=2)]}, "a prompt's padding"),
    ],
)
def test_what_this_search_does_not_support_is_named(setting: dict[str, Any], named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        rules(**setting)


def test_what_is_supported_is_kept() -> None:
    processors = [MinLengthLogitsProcessor(2, END)]
    found = rules(processors, [MaxLengthCriteria(6)], num_beams=3, length_penalty=0.5, early_stopping="never")
    assert (found.num_beams, found.length_penalty, found.early_stopping, found.max_length) == (3, 0.5, "never", 6)
    scores = torch.zeros(1, 12)
    assert found.processed(torch.tensor([[3]]), scores)[0, END] == -torch.inf
    assert found.processed(torch.tensor([[3, 5]]), scores)[0, END] == 0


def test_a_text_ends_by_a_token_or_by_its_length() -> None:
    tokens = torch.tensor([END, 5, OTHER_END, PAD])
    assert rules().ends(tokens, 5).tolist() == [True, False, True, False]
    assert rules().ends(tokens, 6).all()
    assert not Rules(max_length=6, end_ids=None, fill=-1).ends(tokens, 5).any()


@pytest.mark.parametrize(("pad", "num_beams", "fill"), [(PAD, 1, PAD), (PAD, 2, PAD), (0, 1, 0), (0, 2, END)])
def test_texts_are_padded_as_in_transformers(pad: int, num_beams: int, fill: int) -> None:
    assert rules(pad=pad, num_beams=num_beams).fill == fill
