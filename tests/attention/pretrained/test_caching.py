from typing import Any

import pytest
from torch import nn

from finetune.attention.pretrained import apply_masks, can_cache
from tests.attention.pretrained.tiny import build

NAMES = pytest.mark.parametrize("name", ["T5ForConditionalGeneration", "EncoderDecoderModel"])


@NAMES
@pytest.mark.parametrize(
    "program",
    [
        {},
        {"encoder": "full()", "cross": "global_tokens(star)"},
        {"decoder": "window(4)"},
        {"decoder": {"mask": "full()", "layers": {"-1": "per_head(window(1), strided(2))"}}},
        {"decoder": "prefix(opening)"},
    ],
)
def test_what_looks_back_alone_can_be_cached(name: str, program: dict[str, Any]) -> None:
    assert can_cache(apply_masks(build(name), program, special_tokens={"star": 7}))


@NAMES
@pytest.mark.parametrize(
    "decoder",
    [
        "causal() | prefix(3)",
        {"mask": "full()", "bidirectional": True},
        {"mask": "full()", "layers": {"1": "causal() | window(1)"}},
        "window(2) | global_tokens(star)",
    ],
)
def test_what_looks_ahead_or_reads_columns_cannot_be_cached(name: str, decoder: Any) -> None:
    model = apply_masks(build(name), {"decoder": decoder}, special_tokens={"star": 7})
    assert not can_cache(model)
    assert not can_cache(nn.ModuleList([model]))


@NAMES
def test_a_model_without_masks_can_cache(name: str) -> None:
    assert can_cache(build(name))
