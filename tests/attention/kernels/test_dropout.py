"""Dropout draws each number independently, with the right probability, and the same again for the same seed."""

import pytest
import torch

from finetune.attention.kernels.dropout import factors, survivors

CPU = torch.device("cpu")


@pytest.mark.parametrize("probability", [0.003, 0.1, 0.25, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_probability(probability: float) -> None:
    count = 400_000
    kept = survivors(count, probability, device=CPU, seed=1)
    assert kept.dtype == torch.uint8
    assert kept.shape == (count,)
    error = 5 * (probability * (1 - probability) / count) ** 0.5
    assert 1 - kept.float().mean().item() == pytest.approx(probability, abs=error)


def test_a_seed_draws_the_same_again_and_another_draws_anew() -> None:
    first, again, other = (survivors(999, 0.3, device=CPU, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_a_seed_torchs_own_generator_is_used() -> None:
    torch.manual_seed(0)
    first, second = (survivors(999, 0.3, device=CPU) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(survivors(999, 0.3, device=CPU), first)


def test_factors_are_0_or_the_inverse_of_the_share_that_is_kept() -> None:
    found = factors(survivors(9999, 0.25, device=CPU, seed=1), 0.25, torch.float32)
    assert sorted(set(found.tolist())) == pytest.approx([0, 4 / 3])
    assert found.mean() == pytest.approx(1, abs=0.05)
