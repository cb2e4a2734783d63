"""Gradients of embeddings on a CPU whose cost follows the tokens of a batch, not the size of the vocabulary.

By default, torch allocates and zeroes a tensor as large as the embedding at each step, and adds the gradient of a few
hundred tokens to it. Here the backward pass gives a sparse gradient of the rows that were looked up. It is added to one
dense tensor, which is kept for all steps: after each step only the rows that were written are zeroed. The norm of the
gradient is computed from these rows too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_LEAST = 2**20
"""Number of weights of the smallest embedding for which this pays."""


class SparseEmbeddingGradients:
    """The gradients of a model's large embeddings.

    Args:
        model: The model. Embeddings that share their weight with another kind of module (a tied output layer) get the
            gradients of torch, because those are dense anyway.
        enabled: Whether anything is changed; False leaves all gradients to torch.
    """

    def __init__(self, model: nn.Module, *, enabled: bool) -> None:
        self._modules = _large_embeddings(model) if enabled else []
        self._weights = list(dict.fromkeys(module.weight for module in self._modules))
        self._dense: dict[Tensor, Tensor] = {}
        self._rows: dict[Tensor, Tensor] = {}

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Let backward passes inside this block give sparse gradients, which `fill` makes dense."""
        for module in self._modules:
            module.sparse = True
        try:
            yield
        finally:
            for module in self._modules:
                module.sparse = False

    def fill(self) -> None:
        """Replace each sparse gradient by a dense one of the shape of its weight, [rows, hidden_size]."""
        for weight in self._weights:
            if weight.grad is None or not weight.grad.is_sparse:
                continue
            # Not coalesced: row numbers [tokens], with repetitions, and values [tokens, hidden_size].
            rows, values = weight.grad._indices()[0], weight.grad._values()
            if weight not in self._dense:
                self._dense[weight] = torch.zeros_like(weight)
            self._rows[weight] = rows
            weight.grad = self._dense[weight].index_add_(0, rows, values)

    def nonzero(self, weight: Tensor) -> Tensor | None:
        """Return the gradient of a weight, without rows that are known to be zero; None if it has no gradient."""
        rows = self._rows.get(weight)
        if rows is None or weight.grad is None:
            return weight.grad
        distinct: Tensor = rows.unique()  # type: ignore[no-untyped-call]
        return weight.grad.index_select(0, distinct)

    def clear(self) -> None:
        """Zero the rows that were written; call it after the gradients of the model were set to None."""
        for weight, rows in self._rows.items():
            self._dense[weight].index_fill_(0, rows, 0.0)
        self._rows.clear()


def _large_embeddings(model: nn.Module) -> list[nn.Embedding]:
    found = [
        module
        for module in model.modules()
        if type(module) is nn.Embedding and module.weight.requires_grad and module.weight.numel() >= _LEAST
    ]
    others = {
        weight
        for module in model.modules()
        if type(module) is not nn.Embedding
        for weight in module._parameters.values()
    }
    return [
        module
        for module in found
        if module.weight not in others and module.max_norm is None and not module.scale_grad_by_freq
    ]
