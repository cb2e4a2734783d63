"""Inputs, label ids and losses of a decoder that is trained with teacher forcing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from finetune.data.features import Column
from finetune.tasks.batch import IGNORE_INDEX, Batch
from finetune.tasks.context import TaskContext
from finetune.tasks.tensors import example_losses, example_rows


def decoder_start(context: TaskContext) -> int:
    """Return the id of the token that the decoder is given before the first token of every output."""
    start: int = context.config.decoder_start_token_id
    return start


def shift_right(label_ids: Column, start: int) -> Column:
    """Return the decoder's input ids: the label ids of each example one position later, after the start token."""
    assert label_ids.offsets is not None
    values = np.roll(label_ids.values, 1)
    values[label_ids.offsets[:-1]] = start  # which overwrites the last token of the example before
    return Column(values, label_ids.offsets)


def ignore_prompt(label_ids: Column, prompt_length: int) -> Column:
    """Return the label ids with IGNORE_INDEX at the first `prompt_length` positions of each example."""
    assert label_ids.offsets is not None
    values = label_ids.values.copy()
    for position in range(prompt_length):
        values[label_ids.offsets[:-1] + position] = IGNORE_INDEX
    return Column(values, label_ids.offsets)


def score_targets(
    model: PreTrainedModel, encoded: ModelOutput, inputs: Mapping[str, Any], batch: Batch
) -> tuple[list[float], list[dict[str, list[int]]]]:
    """Compute the decoder with teacher forcing.

    Args:
        model: The model.
        encoded: The output of the encoder.
        inputs: The model's other keyword arguments: the layout or the attention mask, and the decoder's inputs.
        batch: The batch, which has the targets.

    Returns:
        For each example the loss summed over its targets, in nats, and a dictionary of its target tokens (`labels`) and
        the tokens that are predicted in their places (`guessed`). Without targets the losses are 0 and the dictionaries
        empty.
    """
    if "decoder_input_ids" not in inputs:
        return [0.0] * len(batch.features), [{} for _ in batch.features]
    # [batch, length, vocab_size] or [1, tokens, vocab_size]
    logits = model(encoder_outputs=encoded, **inputs, use_cache=False).logits
    losses = example_losses(logits, batch.label_ids, batch.target_layout)
    guessed = example_rows(logits.argmax(dim=-1), batch.target_layout)
    labels = example_rows(batch.label_ids, batch.target_layout)
    learned = [[position for position, label in enumerate(row) if label != IGNORE_INDEX] for row in labels]
    rows = zip(guessed, labels, learned, strict=True)
    return losses, [
        {"guessed": [guess[at] for at in positions], "labels": [row[at] for at in positions]}
        for guess, row, positions in rows
    ]


def up_to_end(ids: Tensor, config: GenerationConfig | None) -> Tensor:
    """Return where generated rows hold text: up to and with their first end-of-sequence token.

    Args:
        ids: int64 [rows, longest], without the start token.
        config: The model's generation config, which has the ids of end-of-sequence tokens.

    Returns:
        bool [rows, longest].
    """
    ends = torch.isin(ids, torch.tensor(getattr(config, "eos_token_id", None) or [], device=ids.device))
    # The number of end tokens before a position is 0 up to the first of them.
    return ends.cumsum(dim=1) - ends.long() == 0
