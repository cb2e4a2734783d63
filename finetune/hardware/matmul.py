"""Choice of the library that multiplies fp32 matrices on a CPU.

By default torch uses MKL, which reaches about half of the peak speed of an AMD CPU; oneDNN reaches it. The switch of
torch for oneDNN is named "bf16", because it permits oneDNN to round factors to bf16. oneDNN does so on CPUs with AMX;
on others it computes in full fp32 precision. So oneDNN is tried before it is used, on products of the model's own
shapes: it must be faster, and its error against float64 must not be that of rounded factors.
"""

import math
import operator
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

_mkldnn: Any = torch.backends.mkldnn  # its type stubs lack the switches

Library = Literal["default", "onednn"]
Shape = tuple[int, int]
"""Numbers of input and output features of a linear layer."""

_ROWS = 64
"""Number of tokens in the products that are tried."""
_WIDEST = 2048
"""Greatest number of features in the products that are tried; output layers over a vocabulary have more."""
_SMALLEST = 2**16
"""Number of weights of the smallest layer that is tried; smaller layers gain almost nothing."""
_SECONDS = 0.2
"""Least duration of the measurement."""
_ROUNDS = 2
"""Least number of rounds of the measurement."""
_LEAST_GAIN = 1.1
"""Least speed of oneDNN, relative to the default, for which it is used."""
_MOST_ERROR = 4.0
"""Greatest error of oneDNN, relative to that of the default, with which it is used.

oneDNN accumulates a dot product in one sum, and MKL in several partial sums, so that the error of oneDNN is about twice
as large: 5e-7 for 1,536 terms. With factors rounded to tf32 or bf16 the error is thousands of times as large, and tens
of times where one fp32 product is computed as three bf16 products.
"""


@dataclass(frozen=True)
class Matmul:
    """The library for fp32 products, and why it was chosen."""

    library: Library
    why: str

    def __str__(self) -> str:
        return f"{self.library} ({self.why})"

    @contextmanager
    def used(self) -> Iterator[None]:
        """Multiply by this library inside this block."""
        if self.library == "default":
            yield
            return
        before = _mkldnn.matmul.fp32_precision
        _mkldnn.matmul.fp32_precision = "bf16"
        try:
            yield
        finally:
            _mkldnn.matmul.fp32_precision = before


DEFAULT = Matmul("default", "")
ONEDNN = Matmul("onednn", "")


def choose_matmul(
    asked: Library | Literal["auto"], model: nn.Module, *, computes_fp32_on_cpu: bool, is_tuned: bool = True
) -> Matmul:
    """Return the library that the recipe names, or for `auto` the faster library that is exact enough.

    Args:
        asked: Value of `training.fp32_matmul`: a library, or `auto`.
        model: The model, whose linear layers give the shapes to try.
        computes_fp32_on_cpu: Whether the run computes in fp32 on a CPU; otherwise the default is returned.
        is_tuned: Whether `training.cpu_tuning` is on; otherwise the default is returned.
    """
    if not is_tuned:
        return Matmul("default", "training.cpu_tuning=false")
    if not computes_fp32_on_cpu:
        return Matmul("default", "only fp32 on a CPU has a choice")
    if not _mkldnn.is_available():
        return Matmul("default", "this torch has no oneDNN")
    if asked != "auto":
        return Matmul(asked, "as training.fp32_matmul says")
    if not (shapes := _largest_shapes(model)):
        return Matmul("default", "the model is too small to gain")
    return _measure(shapes, torch.get_num_threads())


def _largest_shapes(model: nn.Module) -> tuple[tuple[Shape, int], ...]:
    """Return up to three shapes of linear layers, those with the most work, each with its number of layers."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    shapes = Counter((min(one.in_features, _WIDEST), min(one.out_features, _WIDEST)) for one in layers)
    by_work = sorted(shapes.items(), key=lambda item: item[0][0] * item[0][1] * item[1], reverse=True)
    return tuple((shape, count) for shape, count in by_work[:3] if shape[0] * shape[1] >= _SMALLEST)


@cache  # so that two runs of one process with the same number of threads compute the same
def _measure(shapes: tuple[tuple[Shape, int], ...], threads: int) -> Matmul:
    """Measure both libraries on products of the given shapes, and return the better one."""
    generator = torch.Generator().manual_seed(0)
    products = [(product, count) for shape, count in shapes for product in _products(shape, generator)]
    error = max(_relative_error(product) for product, _ in products)
    gain = _gain(products)
    is_better = gain >= _LEAST_GAIN and error <= _MOST_ERROR
    found = f"oneDNN is {gain:.1f} times as fast, at {error:.1f} times the rounding error, on {threads} threads"
    return Matmul("onednn" if is_better else "default", found)


@dataclass(frozen=True)
class _Product:
    """A matrix product, possibly batched, of two tensors."""

    left: Tensor
    right: Tensor

    def __call__(self) -> Tensor:
        return self.left @ self.right


def _products(shape: Shape, generator: torch.Generator) -> list[_Product]:
    """Return the products of a linear layer, forward and backward, and one of attention with a head_dim of 32."""
    width, outputs = shape

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator)

    x, weight, gradient = normal(_ROWS, width), normal(outputs, width), normal(_ROWS, outputs)
    heads = normal(max(outputs // 32, 1), _ROWS // 4, 32)  # [heads, tokens, head_dim]
    # Output, gradient of the input, gradient of the weight, and attention scores.
    pairs = ((x, weight.T), (gradient, weight), (gradient.T, x), (heads, heads.mT))
    return [_Product(left, right) for left, right in pairs]


def _gain(products: Sequence[tuple[_Product, int]]) -> float:
    """Return the speed of oneDNN relative to the default, by the shortest times of alternating rounds."""
    shortest = {DEFAULT: [math.inf] * len(products), ONEDNN: [math.inf] * len(products)}
    start, rounds = time.perf_counter(), 0
    while rounds < _ROUNDS or time.perf_counter() - start < _SECONDS:
        for matmul, seconds in shortest.items():
            with matmul.used():
                seconds[:] = [min(before, _time(one)) for before, (one, _) in zip(seconds, products, strict=True)]
        rounds += 1
    counts = [count for _, count in products]
    total = {matmul: sum(map(operator.mul, counts, seconds)) for matmul, seconds in shortest.items()}
    return float(total[DEFAULT] / total[ONEDNN])


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _relative_error(product: _Product) -> float:
    """Return the error of oneDNN's product against float64, relative to the error of the default."""
    exact = product.left.double() @ product.right.double()
    errors: list[float] = []
    for matmul in (ONEDNN, DEFAULT):
        with matmul.used():
            errors.append(float((product() - exact).norm()))
    return errors[0] / max(errors[1], sys.float_info.min)
