"""Which library multiplies fp32 matrices on a CPU.

torch takes MKL, which reaches about half of what an AMD CPU can do; oneDNN reaches it. Its switch in torch is named for
a loss of precision that it allows and that CPUs with AMX make use of; others compute all digits. So it is tried before
it is used, on products of the model's own shapes: for time, and for the error against float64.
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

_mkldnn: Any = torch.backends.mkldnn  # whose types do not tell its switches

Library = Literal["default", "onednn"]
Shape = tuple[int, int]
"""Width of a linear layer's input and of its output."""

_ROWS = 64
"""Tokens in the products that are tried."""
_WIDEST = 2048
"""Layers wider than that (over a vocabulary) are tried at this width."""
_SMALLEST = 2**16
"""Weights of a layer; models without one as large gain nothing to speak of."""
_SECONDS = 0.2
_ROUNDS = 2
_LEAST_GAIN = 1.1
_MOST_ERROR = 4.0
"""Times the default's. oneDNN adds up each sum in one go, where MKL adds up parts of it: its error is about twice as
large, 5e-7 for sums of 1,536. Products whose factors lose digits have thousands of times the error (tf32, bf16), or
tens (three bf16 products for one)."""


@dataclass(frozen=True)
class Matmul:
    """The library, and why it was taken."""

    library: Library
    why: str

    def __str__(self) -> str:
        return f"{self.library} ({self.why})"

    @contextmanager
    def used(self) -> Iterator[None]:
        """Multiply by this library inside the block."""
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
    """The library that is asked for, or for auto the faster of those that are exact.

    Args:
        asked: A library or auto.
        model: Gives the shapes to try.
        computes_fp32_on_cpu: Whether the run does; nothing is changed where it does not.
        is_tuned: Whether the run is tuned for a CPU at all.
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
    return _tried(shapes, torch.get_num_threads())


def _largest_shapes(model: nn.Module) -> tuple[tuple[Shape, int], ...]:
    """Up to three shapes of linear layers, those with the most work, and how many layers have them."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    shapes = Counter((min(one.in_features, _WIDEST), min(one.out_features, _WIDEST)) for one in layers)
    by_work = sorted(shapes.items(), key=lambda item: item[0][0] * item[0][1] * item[1], reverse=True)
    return tuple((shape, count) for shape, count in by_work[:3] if shape[0] * shape[1] >= _SMALLEST)


@cache  # per number of threads, so that two runs of one process compute alike
def _tried(shapes: tuple[tuple[Shape, int], ...], threads: int) -> Matmul:
    generator = torch.Generator().manual_seed(0)
    products = [(product, count) for shape, count in shapes for product in _products(shape, generator)]
    error = max(_times_the_error(product) for product, _ in products)
    gain = _gain(products)
    is_better = gain >= _LEAST_GAIN and error <= _MOST_ERROR
    found = f"oneDNN is {gain:.1f} times as fast, at {error:.1f} times the rounding error, on {threads} threads"
    return Matmul("onednn" if is_better else "default", found)


@dataclass(frozen=True)
class _Product:
    """A product of matrices, of which the last two dimensions are multiplied."""

    left: Tensor
    right: Tensor

    def __call__(self) -> Tensor:
        return self.left @ self.right


def _products(shape: Shape, generator: torch.Generator) -> list[_Product]:
    """What a linear layer computes forward and backward, and what attention does with its output in heads of 32."""
    width, outputs = shape

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator)

    x, weight, gradient = normal(_ROWS, width), normal(outputs, width), normal(_ROWS, outputs)
    heads = normal(max(outputs // 32, 1), _ROWS // 4, 32)
    pairs = ((x, weight.T), (gradient, weight), (gradient.T, x), (heads, heads.mT))
    return [_Product(left, right) for left, right in pairs]


def _gain(products: Sequence[tuple[_Product, int]]) -> float:
    """How many times as fast oneDNN is, by the shortest times of rounds that take turns."""
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


def _times_the_error(product: _Product) -> float:
    """How many times as far oneDNN's product is from the one in float64 as the default."""
    exact = product.left.double() @ product.right.double()
    errors: list[float] = []
    for matmul in (ONEDNN, DEFAULT):
        with matmul.used():
            errors.append(float((product() - exact).norm()))
    return errors[0] / max(errors[1], sys.float_info.min)
