"""Bucketing leads to few sizes and little padding, and the padding has no influence on outputs and gradients."""

from typing import Any

import pytest
import torch

from finetune.attention.layout import Ragged
from finetune.attention.pretrained import apply_masks
from finetune.attention.pretrained.size_bucketing import bucketed_length, pad_columns
from tests.attention.pretrained.test_streams import TARGETS, texts
from tests.attention.pretrained.tiny import build

CPU = torch.device("cpu")


def test_it_costs_at_most_a_32nd_of_a_long_stream_and_leaves_few_sizes() -> None:
    widths = [bucketed_length(total, CPU) for total in range(10_000)]
    assert all(0 <= width - total < max(8, total / 32) for total, width in enumerate(widths))
    assert len({width for width in widths if 512 < width <= 1024}) == 64
    assert len({width for width in widths if 4096 < width <= 8192}) == 64
    assert [bucketed_length(total, CPU) for total in set(widths)] == list(set(widths))


def test_a_gpu_gets_no_padding() -> None:
    assert bucketed_length(701, torch.device("cuda")) == 701


def test_columns_are_lengthened_by_zeros() -> None:
    columns = torch.ones(1, 3, 2)
    longer = pad_columns(columns, 8)
    assert longer.shape == (1, 8, 2)
    assert longer.sum() == columns.sum()
    assert pad_columns(columns, 3) is columns


@pytest.mark.parametrize("name", ["BertForTokenClassification", "T5ForConditionalGeneration", "EncoderDecoderModel"])
def test_what_stands_in_the_padding_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs and gradients are the same to the last digit with other tokens in place of the zeros."""
    lengths = [3, 7, 1, 7, 4]
    inputs: dict[str, Any] = {"input_ids": torch.cat(texts(lengths))[None], "layout": Ragged.from_lengths(lengths)}
    if name != "BertForTokenClassification":
        inputs |= {"decoder_input_ids": torch.cat(texts(TARGETS, 1))[None], "use_cache": False}
        inputs["decoder_layout"] = Ragged.from_lengths(TARGETS)
    model: Any = apply_masks(build(name), {"encoder": "window(2)"})
    model.eval()
    outcomes = []
    for filled in (False, True):
        if filled:
            monkeypatch.setattr(
                "torch.nn.functional.pad",
                lambda columns, sizes: torch.cat([columns, torch.ones_like(columns[:, : sizes[-1]])], 1),
            )
        model.zero_grad()
        logits = model(**inputs).logits
        assert logits.shape[1] == sum(TARGETS if "decoder_layout" in inputs else lengths)
        logits.square().sum().backward()
        outcomes.append((logits, [weight.grad for weight in model.parameters() if weight.grad is not None]))
    torch.testing.assert_close(*outcomes, rtol=0, atol=0)
