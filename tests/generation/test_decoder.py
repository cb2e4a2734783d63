"""Each row of the decoder gets the logits of its own text and source after rows were reordered, copied and dropped."""

from typing import Any

import pytest
import torch
from torch import Tensor

from finetune.attention.pretrained import apply_masks, shares_source
from finetune.attention.program import Program
from finetune.generation.decoder import IncrementalDecoder
from finetune.generation.search import Move
from tests.attention.pretrained.tiny import build
from tests.generation.models import NAMES, encode, rows_of, source

LENGTHS = (7, 4, 2)


def whole(model: Any, inputs: dict[str, Tensor], example: int, text: list[int]) -> Tensor:
    """Return the logits after a text of one example, computed alone and without a cache."""
    logits: Tensor = model(**rows_of(inputs, example), decoder_input_ids=torch.tensor([text]), use_cache=False).logits
    return logits[0, -1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cached", [False, True])
def test_rows_that_multiply_move_and_leave(name: str, masked: bool, cached: bool) -> None:
    model, inputs = build(name), source(LENGTHS)
    if masked:
        apply_masks(model, Program())
        assert shares_source(model)
    decoder = IncrementalDecoder(model, encode(model, inputs), inputs["attention_mask"], cached)
    # Each step: the texts of the rows, the example of each row, and how the rows change afterwards.
    two, three = [[3, 5], [3, 6], [3, 7], [3, 8], [3, 9], [3, 5]], [[3, 6, 5], [3, 6, 9], [3, 8, 4], [3, 7, 4]]
    steps = [
        ([[3], [3], [3]], [0, 1, 2], Move(torch.tensor([0, 0, 1, 1, 2, 2]), None, 1)),
        (two, [0, 0, 1, 1, 2, 2], Move(torch.tensor([1, 1, 3, 2]), [0, 1], 1)),
        (three, [0, 0, 1, 1], Move(torch.tensor([1, 0, 2, 3]), None, 2)),
        ([[3, 6, 9, 7], [3, 6, 5, 7], [3, 8, 4, 7], [3, 7, 4, 7]], [0, 0, 1, 1], Move(torch.tensor([2, 3]), [1], 1)),
        ([[3, 8, 4, 7, 5], [3, 7, 4, 7, 6]], [1, 1], Move()),
        ([[3, 8, 4, 7, 5, 9], [3, 7, 4, 7, 6, 9]], [1, 1], Move()),
    ]
    with torch.no_grad():
        for texts, examples, move in steps:
            assert decoder.example.tolist() == examples
            logits = decoder.logits(torch.tensor(texts))
            expected = [whole(model, inputs, example, text) for example, text in zip(examples, texts, strict=True)]
            torch.testing.assert_close(logits, torch.stack(expected), atol=1e-4, rtol=1e-4)
            decoder.follow(move)


@pytest.mark.parametrize("cached", [False, True])
def test_the_source_is_cut_to_the_longest_that_is_left(cached: bool) -> None:
    model, inputs = build("T5ForConditionalGeneration"), source(LENGTHS)
    decoder = IncrementalDecoder(model, encode(model, inputs), inputs["attention_mask"], cached)

    def width() -> int:
        outputs: Any = decoder.source["encoder_outputs"]
        return int(outputs.last_hidden_state.shape[1])

    assert width() == 7
    assert decoder.source["attention_mask"] is not None
    decoder.follow(Move(torch.tensor([1, 2]), [1, 2]))
    assert width() == 4
    decoder.follow(Move(torch.tensor([1]), [1]))
    assert width() == 2
    assert decoder.source["attention_mask"] is None, "no padding is left"
