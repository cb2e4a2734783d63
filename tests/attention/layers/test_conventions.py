import math

import pytest
import torch
from torch import Tensor

from finetune.attention.layers import Convention, LayerError, to_allowed

ALLOWED = torch.tensor([[True, False], [False, True]])


@pytest.mark.parametrize(
    ("mask", "convention"),
    [
        (ALLOWED, "1 = attend"),
        (ALLOWED.long(), "1 = attend"),
        (ALLOWED.float(), "1 = attend"),
        (~ALLOWED, "1 = ignore"),
        ((~ALLOWED).int(), "1 = ignore"),
        (torch.zeros(2, 2).masked_fill(~ALLOWED, -math.inf), "-inf = ignore"),
        (torch.zeros(2, 2).masked_fill(~ALLOWED, torch.finfo(torch.float32).min), "-inf = ignore"),
        (torch.zeros(2, 2).half().masked_fill(~ALLOWED, torch.finfo(torch.float16).min), "-inf = ignore"),
        ((1.0 - ALLOWED.float()) * -10000.0, "-inf = ignore"),
    ],
)
def test_each_convention_is_read_as_it_says(mask: Tensor, convention: Convention) -> None:
    allowed = to_allowed(mask, convention)
    assert allowed.dtype == torch.bool
    assert allowed.equal(ALLOWED)


@pytest.mark.parametrize(
    ("mask", "convention", "message"),
    [
        (torch.tensor([0, 1, 2]), "1 = attend", "holds 0 and 1 alone, got 0, 1, 2"),
        (torch.tensor([0.0, -math.inf]), "1 = ignore", "holds 0 and 1 alone, got -inf, 0"),
        (torch.arange(6), "1 = ignore", r"got 0, 1, 2, 3, \.\.\."),
        (torch.tensor([0.0, 1.0]), "-inf = ignore", "holds 0 and -inf alone, got 0, 1"),
        (torch.tensor([0.0, math.nan]), "-inf = ignore", "got 0, nan"),
        (ALLOWED, "-inf = ignore", "of floating point, got torch.bool"),
        (ALLOWED, "0 = attend", "no mask convention '0 = attend', only 1 = attend, 1 = ignore, -inf = ignore"),
    ],
)
def test_numbers_that_a_convention_does_not_know_are_refused(
    mask: Tensor, convention: Convention, message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        to_allowed(mask, convention)
