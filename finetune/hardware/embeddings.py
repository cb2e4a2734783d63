"""Gradients of embeddings that cost what a batch looks up, not what there is to look up, on a CPU.

torch fills a tensor as large as the vocabulary with zeros at each step, to add the gradient of a batch's few hundred
tokens to it. Here autograd gathers those alone, and one such tensor serves all steps: after each, the rows that were
written are cleared. The gradient's norm reads no other rows either.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_LEAST = 2**20
"""Weights of an embedding for which it is worth while."""


class SparseEmbeddingGradients:
    """The gradients of a model's large embeddings.

    Args:
        model: Its embeddings that share their weight with no module of another kind are looked after.
        enabled: False leaves all to torch.
    """

    def __init__(self, model: nn.Module, *, enabled: bool) -> None:
        self._modules = _large_embeddings(model) if enabled else []
        self._weights = list(dict.fromkeys(module.weight for module in self._modules))
        self._dense: dict[Tensor, Tensor] = {}
        self._rows: dict[Tensor, Tensor] = {}

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Backward passes in this block leave sparse gradients, which `fill` makes dense."""
        for module in self._modules:
            module.sparse = True
        try:
            yield
        finally:
            for module in self._modules:
                module.sparse = False

    def fill(self) -> None:
        """Make the gradients dense."""
        for weight in self._weights:
            if weight.grad is None or not weight.grad.is_sparse:
                continue
            rows, values = weight.grad._indices()[0], weight.grad._values()
            if weight not in self._dense:
                self._dense[weight] = torch.zeros_like(weight)
            self._rows[weight] = rows
            weight.grad = self._dense[weight].index_add_(0, rows, values)

    def nonzero(self, weight: Tensor) -> Tensor | None:
        """A weight's gradient, of a filled one the rows that were looked up alone; None where it has none."""
        rows = self._rows.get(weight)
        if rows is None or weight.grad is None:
            return weight.grad
        distinct: Tensor = rows.unique()  # type: ignore[no-untyped-call]
        return weight.grad.index_select(0, distinct)

    def clear(self) -> None:
        """Forget them, after the model's gradients were set to None."""
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
