"""Calls a model's decoder for the next token of each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from finetune.attention.pretrained import shares_source
from finetune.generation.cache import BeamCache
from finetune.generation.search import Move

STATES = "last_hidden_state"


class IncrementalDecoder:
    """A decoder with the source that each of its rows reads.

    Attributes:
        live: The indices of the examples that have not left the batch.
        example: int64 [rows], the example of each row.
        source: The arguments of the model that describe the source of each row.

    Args:
        model: An encoder-decoder of transformers.
        encoded: The entries of the encoder's output: tensors whose first dimension is the example, with
            `last_hidden_state` [examples, source length, hidden_size].
        attention_mask: The source's attention mask [examples, source length], not 0 at tokens; None if there is no
            padding.
        cached: Whether keys and values are kept between steps; otherwise each step computes all tokens again.
    """

    def __init__(
        self, model: PreTrainedModel, encoded: Mapping[str, Tensor], attention_mask: Tensor | None, cached: bool
    ) -> None:
        self.model: Any = model
        self.encoded = encoded
        self.attention_mask = attention_mask
        self.counts, self.widths = _extents(encoded[STATES], attention_mask)
        self.cache = BeamCache(shares_source(model)) if cached else None
        self.live = list(range(len(encoded[STATES])))
        self.example = torch.arange(len(self.live), device=encoded[STATES].device)
        self.source = self._source()

    def logits(self, sequences: Tensor) -> Tensor:
        """Return the logits of the next token, float32 [rows, vocabulary], after the texts, int64 [rows, length]."""
        outputs = self.model(
            **self.source,
            decoder_input_ids=sequences if self.cache is None or not self.cache.get_seq_length() else sequences[:, -1:],
            past_key_values=self.cache,
            use_cache=self.cache is not None,
            return_dict=True,
        )
        logits: Tensor = outputs.logits[:, -1].float()
        return logits

    def follow(self, move: Move) -> None:
        """Reorder, copy and drop rows as the search has done."""
        if move.rows is None:
            return
        if move.examples is None and len(move.rows) == len(self.example):
            if self.cache is not None:
                self.cache.permute(move.rows, move.settled)
            return
        self.example = self.example[move.rows]
        kept = None
        if move.examples is not None:
            self.live = [self.live[place] for place in move.examples]
            kept = torch.tensor(move.examples, device=self.example.device)
        if self.cache is not None:
            self.cache.select(move.rows, kept, self._width)
        self.source = self._source()

    @property
    def _width(self) -> int:
        """Number of positions up to the last token of any source that is still read."""
        return max(self.widths[example] for example in self.live)

    def _source(self) -> dict[str, object]:
        """Return the source of each row without common padding at its end, as arguments of the model."""
        width = self._width
        states = BaseModelOutput(last_hidden_state=self._states(width))
        for name, tensor in self.encoded.items():
            if name != STATES:
                states[name] = self._cut(tensor, width)
        mask = None
        if self.attention_mask is not None and any(self.counts[example] < width for example in self.live):
            mask = self._cut(self.attention_mask, width)
        return {"encoder_outputs": states, "attention_mask": mask}

    def _states(self, width: int) -> Tensor:
        states = self.encoded[STATES]
        if self.cache is None or not self.cache.get_seq_length():
            return self._cut(states, width)
        # The cache has the keys and values of the source. The model reads only the shape of the states, so that a view
        # of one zero is enough.
        return states.new_zeros(()).expand(len(self.example), width, states.shape[2])

    def _cut(self, tensor: Tensor, width: int) -> Tensor:
        """Return the rows' entries of a tensor of the examples, [rows, ...].

        A tensor that has an entry for each token of the source is cut to `width` positions.
        """
        is_per_token = tensor.ndim > 1 and tensor.shape[1] == self.encoded[STATES].shape[1]
        return (tensor[:, :width] if is_per_token else tensor).index_select(0, self.example)


def _extents(states: Tensor, attention_mask: Tensor | None) -> tuple[list[int], list[int]]:
    """Return for each example the number of its tokens, and the number of positions up to the last of them."""
    examples, width = states.shape[:2]
    if attention_mask is None:
        return [width] * examples, [width] * examples
    is_token = attention_mask != 0  # [examples, source length]
    ends = torch.arange(1, width + 1, device=states.device)
    # Both results are read by one `tolist`, because on a GPU each one waits for the device.
    counts, widths = torch.stack([is_token.sum(1), (ends * is_token).amax(1).clamp(min=1)]).tolist()
    return counts, widths
