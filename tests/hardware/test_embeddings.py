"""Embeddings whose gradients are gathered: the same gradients as torch's own, and steps that leave nothing behind."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from finetune.hardware import embeddings
from finetune.hardware.embeddings import SparseEmbeddingGradients


class Tied(nn.Module):
    """Two lookups of one embedding, another that pads, and one whose weight is an output layer's too."""

    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(50, 4)
        self.target = nn.Embedding(50, 4)
        self.target.weight = self.source.weight
        self.padded = nn.Embedding(50, 4, padding_idx=0)
        self.shared = nn.Embedding(50, 4)
        self.head = nn.Linear(4, 50, bias=False)
        self.head.weight = self.shared.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        looked_up = self.source(ids) * self.target(ids.flip(0)) + self.padded(ids) + self.shared(ids)
        scores: torch.Tensor = self.head(looked_up.tanh()).logsumexp(-1).sum()
        return scores


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Tied:
    monkeypatch.setattr(embeddings, "_LEAST", 100)
    torch.manual_seed(0)
    return Tied()


BATCHES = [torch.tensor([3, 0, 3, 7]), torch.tensor([9, 9, 9]), torch.tensor([0]), torch.tensor([7, 1])]


def gradients(model: nn.Module) -> list[torch.Tensor]:
    found = [weight.grad for weight in model.parameters()]
    assert all(grad is not None for grad in found)
    return [grad.clone() for grad in found if grad is not None]


def norm(gradients: Sequence[torch.Tensor | None]) -> torch.Tensor:
    return torch.nn.utils.get_total_norm([gradient for gradient in gradients if gradient is not None])


@pytest.mark.parametrize("parts", [1, 2])
def test_gradients_are_those_of_torch_at_every_step(model: Tied, parts: int) -> None:
    """A step's gradient is the sum of `parts` backward passes."""
    looked_up = SparseEmbeddingGradients(model, enabled=True)
    for first in range(0, len(BATCHES), parts):
        expected = Tied()
        expected.load_state_dict(model.state_dict())
        with looked_up.gathered():
            for ids in BATCHES[first : first + parts]:
                model(ids).backward()
                expected(ids).backward()
            is_sparse = [weight.grad is not None and weight.grad.is_sparse for weight in model.parameters()]
        looked_up.fill()
        assert is_sparse == [True, True, False], "of the embedding that is no output layer, and of the one that pads"
        torch.testing.assert_close(gradients(model), gradients(expected))
        found = [looked_up.nonzero(weight) for weight in model.parameters()]
        assert [len(rows) < 50 for rows in found if rows is not None] == is_sparse
        torch.testing.assert_close(norm(found), norm(gradients(expected)))
        model.zero_grad()
        looked_up.clear()


def test_outside_of_the_block_or_where_it_is_off_torch_does_it(model: Tied) -> None:
    looked_up, off = SparseEmbeddingGradients(model, enabled=True), SparseEmbeddingGradients(model, enabled=False)
    with looked_up.gathered():
        pass
    with off.gathered():
        model(BATCHES[0]).backward()
    assert not any(weight.grad.is_sparse for weight in model.parameters() if weight.grad is not None)
    before = gradients(model)
    looked_up.fill()
    torch.testing.assert_close(gradients(model), before, rtol=0, atol=0)
