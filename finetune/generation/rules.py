"""What a text may be and when it ends, as transformers' `generate` has prepared it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.generation.configuration_utils import GenerationMode
from transformers.generation.logits_process import (
    ExponentialDecayLengthPenalty,
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    InfNanRemoveLogitsProcessor,
    LogitNormalization,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)
from transformers.generation.stopping_criteria import EosTokenCriteria, MaxLengthCriteria

BY_ROW = (
    ExponentialDecayLengthPenalty,
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    InfNanRemoveLogitsProcessor,
    LogitNormalization,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
)
"""Processors that look at each row alone and remember nothing, so that rows may come and go."""
ENDS = (MaxLengthCriteria, EosTokenCriteria)


class Unsupported(Exception):
    """A setting of generation is not known here; transformers' own search must see to it."""


@dataclass(frozen=True, eq=False)
class Rules:
    """What a text may be, and when it ends.

    Args:
        max_length: Of a text in tokens, its beginning included.
        end_ids: int64 [ends], the tokens that end a text; None where only the length does.
        fill: What stands after the end of a text.
        num_beams: Beams of an example; 1 is greedy search.
        length_penalty: Exponent of the length by which a beam's score is divided.
        early_stopping: When no better text is looked for, as in transformers: True, False or "never".
        processors: What changes the scores of tokens.
    """

    max_length: int
    end_ids: Tensor | None
    fill: int
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    processors: LogitsProcessorList = field(default_factory=LogitsProcessorList)

    @classmethod
    def of(cls, config: GenerationConfig, processors: LogitsProcessorList, criteria: StoppingCriteriaList) -> Rules:
        """The rules of a call of `generate`. Raises Unsupported where a setting is not known here."""
        _check(config, processors, criteria)
        num_beams = config.num_beams or 1
        return cls(
            max_length=config.max_length,
            end_ids=config._eos_token_tensor,
            fill=_fill(config, num_beams),
            num_beams=num_beams,
            length_penalty=config.length_penalty,
            early_stopping=config.early_stopping,
            processors=processors,
        )

    def processed(self, sequences: Tensor, scores: Tensor) -> Tensor:
        """The scores [rows, vocabulary] of what may follow the texts [rows, length], as the processors change them."""
        processors: Any = self.processors
        changed: Tensor = processors(sequences, scores)
        return changed

    def ends(self, tokens: Tensor, length: int) -> Tensor:
        """Whether texts end with these tokens, bool of their shape; `length` counts them."""
        if length >= self.max_length:
            return torch.ones_like(tokens, dtype=torch.bool)
        if self.end_ids is None:
            return torch.zeros_like(tokens, dtype=torch.bool)
        return torch.isin(tokens, self.end_ids)


def _check(config: GenerationConfig, processors: LogitsProcessorList, criteria: StoppingCriteriaList) -> None:
    """Raise Unsupported where rows could not come and go, or more than the texts is asked for."""
    if config.get_generation_mode() not in (GenerationMode.GREEDY_SEARCH, GenerationMode.BEAM_SEARCH):
        raise Unsupported("mode")
    if config.return_dict_in_generate or (config.num_return_sequences or 1) > 1 or config.low_memory:
        raise Unsupported("output")
    if config.cache_implementation or config.prefill_chunk_size or config.token_healing:
        raise Unsupported("cache")
    for kind, known in ((processors, BY_ROW), (criteria, ENDS)):
        if unknown := [each for each in kind if type(each) not in known]:
            raise Unsupported(type(unknown[0]).__name__)
    for each in processors:
        if getattr(each, "prompt_ignore_length", None) is not None:
            raise Unsupported("a prompt's padding")


def _fill(config: Any, num_beams: int) -> int:
    """What `generate` fills up with: the pad token; after beams the end token, where pad is 0."""
    if config._eos_token_tensor is None:
        return -1
    pad, end = (int(token.flatten()[0]) for token in (config._pad_token_tensor, config._eos_token_tensor))
    return pad if num_beams == 1 or pad else end
