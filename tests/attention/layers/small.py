"""Small layers and inputs, and a seed for each test."""

import pytest
import torch
from torch import Tensor

from finetune.attention.layers import (
    LayerConfig,
)

BATCH, TOKENS, WIDTH, HEADS, LAYERS, VOCABULARY = 2, 6, 8, 2, 2, 11
CONFIG = LayerConfig(WIDTH, HEADS, 16, dropout=0.0)
KEEP = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 0]])


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draw the weights of each test from the same seed."""
    torch.manual_seed(0)


def states(seed: int = 0) -> Tensor:
    return torch.randn(BATCH, TOKENS, WIDTH, generator=torch.Generator().manual_seed(seed))
