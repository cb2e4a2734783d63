"""Measures the cost of attention over tiles on this machine: `python -m scripts.fit_attention_costs [--rounds N]`.

It prints the constants of finetune/attention/planning/cost.py and how well they predict the measured times.
"""

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from finetune.attention.kernels.plan import CHUNK_WEIGHTS, TileBatch, compile_plan
from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.planning.cost import Costs
from finetune.hardware.allocator import keep_memory
from scripts.benchmarking import print_table, time_once

HEADS = 12
HEAD_DIMS = (32, 64)
SIZES = (8, 16, 24, 40, 64, 128, 256)
"""Numbers of queries of a tile."""
RATIOS = (1, 3)
"""Numbers of keys per query."""
SPILLING = (1024, 2048)
"""Numbers of queries, and of keys, of tiles whose attention weights do not fit into the cache."""
WEIGHTS = (2**12, 2**16, 2**20)
"""Approximate numbers of attention weights of a batch."""


SHORT = (16, 24, 40, 64)
"""Numbers of queries, and of keys, of tiles that are computed in one batch or in several."""
BATCHES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Size:
    """The tiles of a batch."""

    tiles: int
    queries: int
    keys: int


@dataclass(frozen=True)
class Case:
    """A call of the kernel with batches of the given sizes."""

    sizes: tuple[Size, ...]
    head_dim: int

    def terms(self) -> list[float]:
        """Return the factors of the constants of `Costs`, in their order, and 1 for the call."""
        sizes = [(size.tiles * HEADS, size.queries, size.keys) for size in self.sizes]
        pairs = sum(batch * queries * keys for batch, queries, keys in sizes)
        spilled = sum(batch * queries * keys for batch, queries, keys in sizes if queries * keys > CHUNK_WEIGHTS)
        slots = sum(batch * (queries + keys) for batch, queries, keys in sizes)
        return [len(sizes), pairs, pairs * self.head_dim, spilled, slots * self.head_dim, 1]

    def seconds(self, rounds: int) -> float:
        """Return the minimum of several times of forward and backward, as other processes can only add to the time."""
        batches = []
        num_queries = num_keys = 0
        for size in self.sizes:
            queries = num_queries + torch.arange(size.tiles * size.queries).view(size.tiles, -1)
            keys = num_keys + torch.arange(size.tiles * size.keys).view(size.tiles, -1)
            allowed = torch.ones(size.tiles, 1, size.queries, size.keys, dtype=torch.bool)
            batches.append(TileBatch(queries, keys, allowed, range(HEADS)))
            num_queries, num_keys = num_queries + queries.numel(), num_keys + keys.numel()
        plan = compile_plan(batches, num_queries, num_keys, HEADS)
        query, key, value = (
            torch.randn(tokens, HEADS, self.head_dim, requires_grad=True)
            for tokens in (num_queries, num_keys, num_keys)
        )
        gradient = torch.randn_like(query)

        def step() -> None:
            torch.autograd.grad(tiled_attention(query, key, value, plan), (query, key, value), gradient)

        step()
        return min(time_once(step) for _ in range(rounds))

    def __str__(self) -> str:
        one = self.sizes[0]
        return f"{len(self.sizes)} of {one.tiles} x {HEADS} x {one.queries} x {one.keys}"


def cases() -> list[Case]:
    """Return calls with one batch of many shapes, and calls with the same work in 1 to 16 batches."""
    alone = [Size(1, size, size) for size in SPILLING]
    for weights, size, ratio in itertools.product(WEIGHTS, SIZES, RATIOS):
        alone.append(Size(max(1, weights // (HEADS * size * size * ratio)), size, size * ratio))
    together = [(Size(max(BATCHES) // count, size, size),) * count for size, count in itertools.product(SHORT, BATCHES)]
    return [Case(sizes, head_dim) for sizes in [*((size,) for size in alone), *together] for head_dim in HEAD_DIMS]


def fit(measured: list[Case], seconds: list[float]) -> tuple[Costs, float]:
    """Return non-negative constants with the least sum of squared relative errors, and the nanoseconds of a call."""
    nanoseconds = np.array(seconds) * 1e9
    terms = np.array([case.terms() for case in measured])
    model = LinearRegression(positive=True, fit_intercept=False)
    model.fit(terms / nanoseconds[:, None], np.ones(len(measured)))
    *costs, call = map(float, model.coef_)
    return Costs(*costs), call


def main() -> None:
    """Run as a command: measure, fit the constants and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times that each shape is measured")
    rounds = parser.parse_args().rounds
    keep_memory()  # as training does
    measured = cases()
    seconds = [case.seconds(rounds) for case in measured]
    costs, call = fit(measured, seconds)
    constants = [*vars(costs).values(), call]
    predicted = [float(np.dot(case.terms(), constants)) / 1e9 for case in measured]
    rows = [
        (str(case), case.head_dim, f"{measured * 1e3:.3g}", f"{expected / measured:.2f}")
        for case, measured, expected in zip(measured, seconds, predicted, strict=True)
    ]
    print_table(
        "Batches", ["batches of tiles x heads x queries x keys", "head_dim", "ms", "predicted / measured"], rows
    )
    print(costs)
    print(f"a call: {call:,.0f}")


if __name__ == "__main__":
    main()
