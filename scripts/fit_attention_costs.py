"""Measures what attention over rectangles costs on this machine: `python -m scripts.fit_attention_costs [--rounds N]`.

Prints the constants of finetune/attention/planning/cost.py and how well they foretell the times that were measured.
"""

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from finetune.attention.kernels.rectangles import rectangle_attention
from finetune.attention.kernels.schedule import PART_WEIGHTS, Schedule, Stack
from finetune.attention.planning.cost import Costs
from scripts.benchmarking import print_table, time_once

HEADS = 12
WIDTHS = (32, 64)
SIZES = (8, 16, 24, 40, 64, 128, 256)
"""Queries of a rectangle."""
RATIOS = (1, 3)
"""Keys for each query."""
SPILLING = (1024, 2048)
"""Queries, and keys, of rectangles whose weights do not fit the cache."""
WEIGHTS = (2**12, 2**16, 2**20)
"""Attention weights of a stack, about."""


@dataclass(frozen=True)
class Case:
    """One stack of rectangles."""

    rectangles: int
    queries: int
    keys: int
    width: int

    def terms(self) -> list[float]:
        """What the constants of `Costs` are multiplied by, in their order."""
        batch = self.rectangles * HEADS
        pairs, slots = batch * self.queries * self.keys, batch * (self.queries + self.keys)
        spilled = pairs * (self.queries * self.keys > PART_WEIGHTS)
        return [1, pairs, pairs * self.width, spilled, slots, slots * self.width]

    def seconds(self, rounds: int) -> float:
        """The least of several times, forward and backward: what others do on the machine only adds."""
        query_tokens = torch.arange(self.rectangles * self.queries).view(self.rectangles, -1)
        key_tokens = torch.arange(self.rectangles * self.keys).view(self.rectangles, -1)
        allowed = torch.ones(self.rectangles, 1, self.queries, self.keys, dtype=torch.bool)
        stack = Stack(query_tokens, key_tokens, allowed)
        schedule = Schedule((stack,), query_tokens.numel(), key_tokens.numel(), HEADS)
        query, key, value = (
            torch.randn(tokens.numel(), HEADS, self.width, requires_grad=True)
            for tokens in (query_tokens, key_tokens, key_tokens)
        )
        gradient = torch.randn_like(query)

        def step() -> None:
            torch.autograd.grad(rectangle_attention(query, key, value, schedule), (query, key, value), gradient)

        step()
        return min(time_once(step) for _ in range(rounds))


def cases() -> list[Case]:
    """Stacks of many shapes and amounts of work."""
    spilling = [Case(1, size, size, width) for size, width in itertools.product(SPILLING, WIDTHS)]
    return spilling + [
        Case(max(1, weights // (HEADS * size * size * ratio)), size, size * ratio, width)
        for weights, size, ratio, width in itertools.product(WEIGHTS, SIZES, RATIOS, WIDTHS)
    ]


def fit(measured: list[Case], seconds: list[float]) -> Costs:
    """Constants, none negative, with the least sum of squared relative errors."""
    nanoseconds = np.array(seconds) * 1e9
    terms = np.array([case.terms() for case in measured])
    model = LinearRegression(positive=True, fit_intercept=False)
    model.fit(terms / nanoseconds[:, None], np.ones(len(measured)))
    return Costs(*map(float, model.coef_))


def main() -> None:
    """Measure, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times that each shape is measured")
    rounds = parser.parse_args().rounds
    measured = cases()
    seconds = [case.seconds(rounds) for case in measured]
    costs = fit(measured, seconds)
    foretold = [float(np.dot(case.terms(), tuple(vars(costs).values()))) / 1e9 for case in measured]
    rows = [
        (f"{case.rectangles} x {HEADS} x {case.queries} x {case.keys}", case.width, f"{s * 1e3:.3g}", f"{f / s:.2f}")
        for case, s, f in zip(measured, seconds, foretold, strict=True)
    ]
    print_table("Stacks", ["rectangles x heads x queries x keys", "width", "ms", "foretold / measured"], rows)
    print(costs)


if __name__ == "__main__":
    main()
