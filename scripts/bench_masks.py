"""Attention under masks that scatter their keys, compared with torch's fused attention with the same mask.

`python -m scripts.bench_masks [--length N] [--masks NAME,...] [--rounds N]`

Random keys, groups whose tokens lie apart, and predicates of a user's own have no bounds by which a plan could skip
blocks. The forward and backward pass of one layer is measured, with 12 heads of head_dim 64 and one example. torch's
attention is given the mask as a boolean matrix, which is built before. Planning is measured twice: for the first batch,
for which a strategy is selected and predicates are evaluated, and for a later one of the same length. One plan serves
all layers of a step; the last column is the speed of a layer that has a plan to itself.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import Ragged
from finetune.attention.masks import parse, register_predicate
from finetune.attention.masks.scope import Scope
from finetune.attention.planning import explain, plan
from scripts.bench_long import HEAD_DIM, HEADS, inputs
from scripts.benchmarking import Spread, interleave, print_table, time_once

GROUPS = 40
"""Number of groups; the tokens of a group are as many positions apart."""
MASKS = {
    "window": "window(64)",
    "random": "random_keys(3, 1)",
    "random by head": "random_keys(3, 1, by_head=true)",
    "bigbird": "window(64) | global_tokens(0) | random_keys(3, 1)",
    "same": "same(group)",
    "same & window": "same(group) & window(256)",
    "same | global": "same(group) | global_tokens(0)",
    "custom near": "custom(bench_near)",
    "custom groups": "custom(bench_group)",
}


@register_predicate("bench_near", length=False, by_head=False)
def near(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """Let each query attend to its neighbours."""
    return (q - k).abs() <= 64


@register_predicate("bench_group", length=False, by_head=False)
def same_group(scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """Let each query attend to its group."""
    return q % GROUPS == k % GROUPS


@dataclass(frozen=True)
class Result:
    """The result for one mask.

    Args:
        name: Name of the mask.
        kernel: The kernel of the first heads.
        allowed: Pairs that the mask allows, as a share of all pairs.
        computed: Pairs that are computed, as a share of all pairs.
        first_plan: Milliseconds of the first planning.
        plan: Milliseconds of a later planning.
        ours: Milliseconds of our attention.
        speedup: Speed of our attention relative to torch's.
        with_plan: The same, of our attention and planning together.
    """

    name: str
    kernel: str
    allowed: float
    computed: float
    first_plan: float
    plan: Spread
    ours: Spread
    speedup: Spread
    with_plan: Spread


def stream(length: int) -> Ragged:
    """Return one example with its groups."""
    return Ragged.from_lengths([length], {"group": torch.arange(length) % GROUPS})


def dense_step(text: str, length: int) -> Callable[[], object]:
    """Return a function that computes forward and backward of torch's attention."""
    tensors = [tensor.detach().transpose(0, 1)[None].contiguous() for tensor in inputs(length, torch.float32)]
    query, key, value = leaves = [tensor.requires_grad_() for tensor in tensors[:3]]
    mask = parse(text)
    heads = HEADS if mask.needs.by_head else 1
    allowed = mask.dense(length, num_heads=heads, features=stream(length).columns)[None]

    def step() -> None:
        output = torch.nn.functional.scaled_dot_product_attention(query, key, value, allowed)
        torch.autograd.grad(output, leaves, tensors[3])

    return step


def measure(name: str, length: int, rounds: int) -> Result:
    """Measure one mask."""
    mask, layout = parse(MASKS[name]), stream(length)
    query, key, value, gradient = inputs(length, torch.float32)

    def make_plan() -> None:
        plan(mask, layout, layout, HEADS, head_dim=HEAD_DIM)

    first_plan = time_once(make_plan)
    attention_plan = plan(mask, layout, layout, HEADS, head_dim=HEAD_DIM)

    def step() -> None:
        torch.autograd.grad(tiled_attention(query, key, value, attention_plan), (query, key, value), gradient)

    def plan_and_step() -> None:
        make_plan()
        step()

    ways: dict[str, Callable[[], object]] = {
        "dense": dense_step(MASKS[name], length),
        "ours": step,
        "plan": make_plan,
        "both": plan_and_step,
    }
    timings = interleave(ways, rounds)
    explanation = explain(mask, layout, layout, HEADS, head_dim=HEAD_DIM)
    return Result(
        name=name,
        kernel=explanation.kernels[0],
        allowed=explanation.allowed_share,
        computed=explanation.computed_share,
        first_plan=1e3 * first_plan,
        plan=timings.of("plan").times(1e3),
        ours=timings.of("ours").times(1e3),
        speedup=timings.speedup("ours", over="dense"),
        with_plan=timings.speedup("both", over="dense"),
    )


def print_results(results: Sequence[Result], length: int) -> None:
    """Print a table of all results, and the mask and the kernel of each."""
    columns = ("mask", "allowed", "computed", "first plan ms", "plan ms", "ours ms", "times as fast", "with its plan")
    rows = [
        (r.name, f"{r.allowed:.2%}", f"{r.computed:.2%}", f"{r.first_plan:,.0f}", f"{r.plan.median:,.1f}",
         f"{r.ours.median:,.1f}", r.speedup, r.with_plan)
        for r in results
    ]  # fmt: skip
    print_table(f"Forward and backward of one layer at {length} tokens, over dense attention", columns, rows)
    for result in results:
        print(f"{result.name}: {MASKS[result.name]}; {result.kernel}")


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=4096, help="tokens")
    parser.add_argument("--masks", default=",".join(MASKS), help=f"some of {', '.join(MASKS)}")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    results = [measure(name, arguments.length, arguments.rounds) for name in arguments.masks.split(",")]
    print_results(results, arguments.length)


if __name__ == "__main__":
    main()
