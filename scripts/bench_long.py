"""Attention over long examples under sparse masks, compared with torch's fused attention with the same mask.

`python -m scripts.bench_long [--lengths 512,1024,...] [--masks NAME,...] [--rounds N] [--draw FILE]`

The forward and backward pass of one layer is measured, with 12 heads of head_dim 64 and one example. torch's attention
is given the mask as a boolean matrix, which is built before. Ours is given the attention plan; the time to make it has
a column of its own, since one plan serves all layers of a step. Memory is the amount by which forward and backward
raise the peak of a new process, without the inputs.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import Ragged
from finetune.attention.masks import parse
from finetune.attention.planning import explain, plan
from scripts.benchmarking import Spread, interleave, machine, peak_memory, print_table

HEADS, HEAD_DIM = 12, 64
MASKS = {
    "window + global": "window(64) | global_tokens(0)",
    "dilated + global": "dilated(256, 4) | global_tokens(0)",
    "blocks": "blocks(128)",
    "per head": "per_head(window(64), dilated(256, 4), blocks(128), causal() & window(128))",
}
LENGTHS = (512, 1024, 2048, 4096, 8192)
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Result:
    """The result for one mask at one length.

    Args:
        mask: Name of the mask.
        length: Number of tokens.
        kernel: The kernel that the plan uses.
        dense: Milliseconds of torch's attention.
        ours: Milliseconds of our attention.
        planning: Milliseconds to make the plan.
        speedup: Speed of our attention relative to torch's.
        dense_memory: Memory of torch's attention in MiB.
        memory: Memory of our attention in MiB.
    """

    mask: str
    length: int
    kernel: str
    dense: Spread
    ours: Spread
    planning: Spread
    speedup: Spread
    dense_memory: float
    memory: float


def inputs(length: int, dtype: torch.dtype) -> list[Tensor]:
    """Return query, key, value and output gradient; [tokens, heads, head_dim] each."""
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(length, HEADS, HEAD_DIM, generator=generator).to(dtype) for _ in range(4)]
    return [*(tensor.requires_grad_() for tensor in tensors[:3]), tensors[3]]


def dense_step(text: str, length: int, dtype: torch.dtype) -> Callable[[], object]:
    """Return a function that computes forward and backward of torch's attention."""
    query, key, value, gradient = (
        tensor.detach().transpose(0, 1)[None].contiguous() for tensor in inputs(length, dtype)
    )
    leaves = [tensor.requires_grad_() for tensor in (query, key, value)]
    mask = parse(text)
    allowed = mask.dense(length, num_heads=HEADS if mask.needs.by_head else 1)[None]

    def step() -> None:
        output = torch.nn.functional.scaled_dot_product_attention(query, key, value, allowed)
        torch.autograd.grad(output, leaves, gradient)

    return step


def our_step(text: str, length: int, dtype: torch.dtype) -> Callable[[], object]:
    """Return a function that computes forward and backward of our attention, with a plan that is ready."""
    query, key, value, gradient = inputs(length, dtype)
    layout = Ragged.from_lengths([length])
    attention_plan = plan(parse(text), layout, layout, HEADS, head_dim=HEAD_DIM)

    def step() -> None:
        torch.autograd.grad(tiled_attention(query, key, value, attention_plan), (query, key, value), gradient)

    return step


def make_plan(text: str, length: int) -> None:
    """Make a new plan, which serves all layers of a step."""
    layout = Ragged.from_lengths([length])
    plan(parse(text), layout, layout, HEADS, head_dim=HEAD_DIM)


def memory(step: Callable[[str, int, torch.dtype], Callable[[], object]], text: str, length: int, dtype: str) -> float:
    """Return the MiB by which a step raises the peak memory of a new process."""
    return peak_memory(partial(step_once, step, text, length, dtype), prepare=partial(step_once, step, text, 64, dtype))


def step_once(
    step: Callable[[str, int, torch.dtype], Callable[[], object]], text: str, length: int, dtype: str
) -> None:
    """Make inputs and take one step."""
    step(text, length, TYPES[dtype])()


def measure(name: str, length: int, dtype: str, rounds: int) -> Result:
    """Measure one mask at one length."""
    text = MASKS[name]
    ways: dict[str, Callable[[], object]] = {
        "dense": dense_step(text, length, TYPES[dtype]),
        "ours": our_step(text, length, TYPES[dtype]),
        "plan": partial(make_plan, text, length),
    }
    timings = interleave(ways, rounds)
    layout = Ragged.from_lengths([length])
    return Result(
        mask=name,
        length=length,
        kernel=explain(parse(text), layout, layout, HEADS, head_dim=HEAD_DIM).kernel,
        dense=timings.of("dense").times(1e3),
        ours=timings.of("ours").times(1e3),
        planning=timings.of("plan").times(1e3),
        speedup=timings.speedup("ours", over="dense"),
        dense_memory=memory(dense_step, text, length, dtype),
        memory=memory(our_step, text, length, dtype),
    )


def slope(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    """Return the exponent with which a value grows with the length, between the shortest and the longest."""
    first, last = results[0], results[-1]
    return math.log(value(last) / value(first)) / math.log(last.length / first.length)


def print_results(results: Sequence[Result]) -> None:
    """Print a table of all results, and the exponents of each mask."""
    columns = ("mask", "tokens", "dense ms", "ours ms", "plan ms", "times as fast", "dense MiB", "ours MiB")
    rows = [
        (r.mask, r.length, f"{r.dense.median:,.1f}", f"{r.ours.median:,.1f}", f"{r.planning.median:,.1f}", r.speedup,
         f"{r.dense_memory:.0f}", f"{r.memory:.0f}")
        for r in results
    ]  # fmt: skip
    print_table("Forward and backward of one layer", columns, rows)
    for name in dict.fromkeys(result.mask for result in results):
        own = [result for result in results if result.mask == name]
        print(f"{name}: {MASKS[name]}; {own[-1].kernel}")
        if len(own) > 1:
            print(
                f"  time grows as length ** {slope(own, lambda r: r.ours.median):.2f}"
                f" (dense {slope(own, lambda r: r.dense.median):.2f}),"
                f" memory as length ** {slope(own, lambda r: r.memory):.2f}"
                f" (dense {slope(own, lambda r: r.dense_memory):.2f})"
            )


def draw(results: Sequence[Result], path: str) -> None:
    """Draw times and memory by length."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    time_axes, memory_axes = figure.subplots(1, 2)
    for number, name in enumerate(dict.fromkeys(result.mask for result in results)):
        own = [result for result in results if result.mask == name]
        lengths, color = [result.length for result in own], f"C{number}"
        time_axes.plot(lengths, [result.ours.median for result in own], "o-", color=color, label=name)
        time_axes.plot(lengths, [result.dense.median for result in own], "--", color=color)
        memory_axes.plot(lengths, [result.memory for result in own], "o-", color=color, label=name)
        memory_axes.plot(lengths, [result.dense_memory for result in own], "--", color=color)
    for axes, label in ((time_axes, "milliseconds"), (memory_axes, "MiB")):
        axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel=label)
        axes.set_xticks(LENGTHS, map(str, LENGTHS))
        axes.grid(alpha=0.3)
    time_axes.set_title("forward and backward, one layer")
    memory_axes.set_title("memory added")
    time_axes.legend(title="dashed: dense sdpa")
    figure.suptitle(machine(), fontsize=9)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="tokens, separated by commas")
    parser.add_argument("--masks", default=",".join(MASKS), help=f"some of {', '.join(MASKS)}")
    parser.add_argument("--dtype", choices=TYPES, default="fp32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--draw", metavar="FILE", help="write a picture")
    arguments = parser.parse_args()
    names = arguments.masks.split(",")
    lengths = [int(length) for length in arguments.lengths.split(",")]
    results = [measure(name, length, arguments.dtype, arguments.rounds) for name in names for length in lengths]
    print_results(results)
    if arguments.draw:
        draw(results, arguments.draw)


if __name__ == "__main__":
    main()
