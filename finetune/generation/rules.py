"""The rules of a generated text, which transformers' `generate` prepares: processors, lengths and ends."""

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
"""Logits processors that treat each row by itself and have no state, so that rows can be removed and reordered."""
ENDS = (MaxLengthCriteria, EosTokenCriteria)
"""Stopping criteria that are supported."""


class Unsupported(Exception):
    """A setting of generation is not supported by this search, and transformers' own search must be used."""


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of a generated text.

    Args:
        max_length: The largest length of a text in tokens, including the tokens that it begins with.
        end_ids: The ids of the tokens that end a text, int64 [ends]; None if only the length ends it.
        fill: The token id after the end of a text.
        num_beams: Number of beams of each example; 1 is greedy search.
        length_penalty: Exponent of the length by which a beam's score is divided.
        early_stopping: When the search for a better text ends, as in transformers: True, False or "never".
        processors: The logits processors, which change the scores of tokens.
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
        """Return the rules of a call of transformers' `generate`.

        Args:
            config: The settings of the call.
            processors: The logits processors of the call.
            criteria: The stopping criteria of the call.

        Raises:
            Unsupported: A setting, a processor or a criterion is not supported by this search.
        """
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
        """Return scores [rows, vocabulary] of the tokens after the texts [rows, length], changed by the processors."""
        processors: Any = self.processors
        changed: Tensor = processors(sequences, scores)
        return changed

    def ends(self, tokens: Tensor, length: int) -> Tensor:
        """Return whether texts end with their last tokens.

        Args:
            tokens: The last tokens, int64 of any shape.
            length: The length of the texts, including these tokens.

        Returns:
            bool, of the shape of `tokens`.
        """
        if length >= self.max_length:
            return torch.ones_like(tokens, dtype=torch.bool)
        if self.end_ids is None:
            return torch.zeros_like(tokens, dtype=torch.bool)
        return torch.isin(tokens, self.end_ids)


def _check(config: GenerationConfig, processors: LogitsProcessorList, criteria: StoppingCriteriaList) -> None:
    """Raise Unsupported if rows could not be removed and reordered, or if more than the texts is to be returned."""
    if config.get_generation_mode() not in (GenerationMode.GREEDY_SEARCH, GenerationMode.BEAM_SEARCH):
        raise Unsupported("mode")
    if config.return_dict_in_generate or (config.num_return_sequences or 1) > 1 or config.low_memory:
        raise Unsupported("output")
    if config.cache_implementation or config.prefill_chunk_size or config.token_healing:
        raise Unsupported("cache")
    for kind, known in ((processors, BY_ROW), (criteria, ENDS)):
        if unknown := [each for each in kind if type(each) not in known]:
            raise Unsupported(type(unknown[0]).__name__)
    # A repetition penalty may hold the length of the prompt's padding in each row, which would not follow the rows.
    for each in processors:
        if getattr(each, "prompt_ignore_length", None) is not None:
            raise Unsupported("a prompt's padding")


def _fill(config: Any, num_beams: int) -> int:
    """Return the token id after the end of a text, as transformers chooses it.

    It is the pad token in greedy search. In beam search it is the end token where the id of the pad token is 0, because
    transformers 5.23 writes `pad_token_id or eos_token_id`.
    """
    if config._eos_token_tensor is None:
        return -1
    pad, end = (int(token.flatten()[0]) for token in (config._pad_token_tensor, config._eos_token_tensor))
    return pad if num_beams == 1 or pad else end
