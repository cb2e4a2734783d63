"""Training, compared with transformers' Trainer: tokens per second, peak memory, and share of the possible speed.

    python scripts/bench_training.py --model minilm

trains a model with random weights on made-up sentences of realistic lengths, in batches of 32, by

    (a) the Trainer, with every input padded to 128 tokens,
    (b) the Trainer as in transformers' examples, padded to the longest of the batch, in fp32,
    (c) the Trainer with its fastest options: batches grouped by length, bf16, fused optimizer,
    finetune, with the defaults of a recipe, in fp32 and in bf16.

They take turns in one process with the same threads, and the median and the quartiles of the rounds' ratios are
printed. Padding does not count as tokens. A step is forward, backward, clipping and optimizer on a batch that is ready;
an epoch goes from tokenized texts to the last step. The epoch of (a) and (b) has --examples examples; that of the
others has four times as many, which lets (c) group by length among more. If other processes use the machine, set
OMP_WAIT_POLICY=passive: threads that spin while they wait for a thread without a core make all results meaningless.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # the checkout, so that `scripts` is a package
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch

from finetune.hardware.matmul import choose_matmul
from scripts.benchmark_models import shape, write
from scripts.benchmarking import Spread, Timings, interleave, machine, peak_memory, print_table, synchronize
from scripts.training_variants import VARIANTS
from scripts.variant import Amount, Prepared, Variant

PEERS = {"(a)": "(a) Trainer, padded to 128", "(b)": "(b) Trainer, dynamic padding", "(c)": "(c) Trainer, tuned"}
HEADINGS = {"share": "of the largest product", "memory": "peak MiB"}
CEILINGS = {torch.float32: "largest product in fp32", torch.bfloat16: "largest product in bf16"}
FAST_EXAMPLES = 4
"""Number of examples in an epoch of the faster variants, relative to --examples."""

Figures = dict[str, Any]
"""The results of a variant, as JSON."""


@dataclass(frozen=True)
class Rates:
    """The speed of each variant in each round, by name.

    Args:
        tokens: Seconds per token.
        operations: Seconds per floating-point operation, also of the largest matrix products.
    """

    tokens: Timings
    operations: Timings

    @classmethod
    def of(
        cls,
        seconds: Mapping[str, Sequence[float]],
        amounts: Mapping[str, Sequence[Amount]],
        peaks: Mapping[str, Sequence[float]],
    ) -> "Rates":
        """Return the speeds from the seconds and amounts of all rounds, and the seconds per operation of `peaks`."""
        pairs = {name: list(zip(seconds[name], done, strict=True)) for name, done in amounts.items()}
        tokens = {name: [second / amount.tokens for second, amount in rounds] for name, rounds in pairs.items()}
        operations = {name: [second / amount.operations for second, amount in rounds] for name, rounds in pairs.items()}
        return cls(Timings(tokens), Timings(operations | dict(peaks)))

    def figures(self, name: str, names: Sequence[str]) -> Figures:
        """Return the tokens per second of a variant, its speed relative to its peers, and its share of the possible."""
        rate = Spread.of([1 / second for second in self.tokens.seconds[name]])
        compared = {peer: over for peer, over in PEERS.items() if over in names and over != name}
        speedups = {peer: asdict(self.tokens.speedup(name, over)) for peer, over in compared.items()}
        figures: Figures = {"name": name, "tokens_per_second": asdict(rate), "speedups": speedups}
        in_bf16 = "bf16" in name or name == PEERS["(c)"]
        if (ceiling := CEILINGS[torch.bfloat16 if in_bf16 else torch.float32]) in self.operations.seconds:
            figures["share"] = asdict(self.operations.speedup(name, over=ceiling))
        return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command."""
    args = _parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    chosen = shape(args.model, quick=args.quick)
    names = [name for letter, name in zip("abc12", VARIANTS, strict=True) if letter in args.variants]
    with tempfile.TemporaryDirectory(prefix="bench_training_") as folder:
        prepared = Prepared(chosen, Path(folder), args.examples)
        write(chosen, prepared.folder, args.examples * FAST_EXAMPLES)
        memory = {} if args.no_memory else measure_memory(prepared, names)
        variants = {name: VARIANTS[name](prepared) for name in names}
        rows = report(chosen.title, "step", names, time_steps(variants, args.rounds, args.steps), memory)
        if args.epoch_rounds:
            rows |= report(chosen.title, "epoch", names, time_epochs(variants, args.epoch_rounds))
    if args.json:
        figures: Figures = {"model": chosen.title, "machine": machine(), "arguments": vars(args)} | rows
        args.json.write_text(json.dumps(figures, indent=1, default=str), encoding="utf-8")
    if args.picture:
        draw(chosen.title, *list(rows.items())[-1], args.picture)
    return 0


def measure_memory(prepared: Prepared, names: Sequence[str]) -> dict[str, float]:
    """Return the MiB by which a few training steps, with the model, raise the peak memory of a new process."""
    return {name: peak_memory(partial(_few_steps, prepared, name)) for name in names}


def _few_steps(prepared: Prepared, name: str) -> None:
    variant = VARIANTS[name](prepared)
    for step in variant.steps(6):
        with variant.at_work():
            step()


def time_steps(variants: Mapping[str, Variant], rounds: int, steps: int) -> Rates:
    """Measure all variants in turn, `steps` optimizer steps at a time, and the largest matrix products between them.

    The first step of each turn is not measured: it finds the caches and the memory in the state in which another
    variant left them, unlike a step in a run.
    """
    waiting = {name: iter(variant.steps(rounds * (steps + 1) + steps)) for name, variant in variants.items()}
    done: dict[str, list[Amount]] = {name: [] for name in variants}
    ceilings = [Ceiling(torch.float32), Ceiling(torch.bfloat16)]

    def some(name: str) -> None:
        with variants[name].at_work():
            done[name].append(total(next(waiting[name])() for _ in range(steps)))

    def one(name: str) -> None:
        with variants[name].at_work():
            next(waiting[name])()

    ways: dict[str, Callable[[], object]] = {name: partial(some, name) for name in variants}
    peaks_of = {ceiling.title: ceiling.measure for ceiling in ceilings}
    timings = interleave(ways | peaks_of, rounds, before={name: partial(one, name) for name in variants})
    waiting.clear()
    gc.collect()
    amounts = {name: amounts[1:] for name, amounts in done.items()}
    peaks = {ceiling.title: ceiling.seconds[1:] for ceiling in ceilings}
    return Rates.of(timings.seconds, amounts, peaks)


class Ceiling:
    """The greatest speed in operations per second that matrix products reach on this machine in a precision."""

    size = 2048

    def __init__(self, dtype: torch.dtype) -> None:
        self.title = CEILINGS[dtype]
        self.left, self.right = (torch.randn(self.size, self.size).to(dtype) for _ in range(2))
        layer = torch.nn.Linear(self.size, self.size)
        self.matmul = choose_matmul("auto", layer, computes_fp32_on_cpu=dtype == torch.float32)
        self.seconds: list[float] = []
        """An operation, at each call."""

    def measure(self) -> None:
        """Measure the shortest time of a few products."""
        seconds = []
        with self.matmul.used():
            for _ in range(5):
                start = time.perf_counter()
                self.left @ self.right
                synchronize()
                seconds.append(time.perf_counter() - start)
        self.seconds.append(min(seconds) / (2 * self.size**3))


def total(amounts: Iterable[Amount]) -> Amount:
    """Return the sum of the amounts."""
    return sum(amounts, Amount(0, 0))


def time_epochs(variants: Mapping[str, Variant], rounds: int) -> Rates:
    """Measure all variants in turn, an epoch at a time."""
    amounts: dict[str, list[Amount]] = {name: [] for name in variants}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants)
        for name in names if number % 2 == 0 else reversed(names):
            amount, needed = variants[name].epoch()
            amounts[name].append(amount)
            seconds[name].append(needed)
            gc.collect()
    return Rates.of(seconds, amounts, {})


def report(
    title: str, kind: str, names: Sequence[str], rates: Rates, memory: Mapping[str, float] | None = None
) -> dict[str, list[Figures]]:
    """Print a table for `kind`, which is step or epoch, and return its numbers."""
    rows = [rates.figures(name, names) | ({"memory": memory[name]} if memory else {}) for name in names]
    peers = [peer for peer, name in PEERS.items() if name in names]
    columns = [kind, "tokens/s", *(f"x {peer}" for peer in peers)]
    columns += [heading for key, heading in HEADINGS.items() if key in rows[0]]
    print_table(title, columns, [_cells(row, peers) for row in rows])
    return {kind: rows}


def _cells(row: Figures, peers: Sequence[str]) -> list[str]:
    spreads = [row["speedups"].get(peer) for peer in peers] + ([row["share"]] if "share" in row else [])
    memory = [f"{row['memory']:,.0f}"] if "memory" in row else []
    return [row["name"], f"{row['tokens_per_second']['median']:,.0f}", *map(_spread, spreads), *memory]


def _spread(values: Mapping[str, float] | None) -> str:
    return "" if values is None else str(Spread(**values))


def draw(title: str, kind: str, rows: Sequence[Figures], path: Path) -> None:
    """Draw a bar for the tokens per second of each variant, with the quartiles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.5 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    rates = [row["tokens_per_second"] for row in rows]
    names = [row["name"] for row in rows]
    middle = [rate["median"] for rate in rates]
    around = [
        [rate["median"] - rate["lower"] for rate in rates],
        [rate["upper"] - rate["median"] for rate in rates],
    ]
    colours = ["tab:blue" if name.startswith("finetune") else "tab:gray" for name in names]
    bars = axes.barh(names, middle, xerr=around, color=colours)
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in middle], padding=6)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(f"tokens a second, without padding ({kind})")
    axes.set_title(title)
    figure.savefig(path)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["minilm", "base", "t5"], default="minilm")
    parser.add_argument("--rounds", type=int, default=9, help="of steps")
    parser.add_argument("--steps", type=int, default=4, help="of each variant in a round")
    parser.add_argument("--epoch-rounds", type=int, default=3, help="0 leaves epochs out")
    parser.add_argument(
        "--examples", type=int, default=800, help="in an epoch of (a) and (b), a quarter of the others'"
    )
    parser.add_argument("--variants", default="abc12", help="letters of (a), (b), (c); 1 for ours in fp32, 2 in bf16")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory, which takes processes")
    parser.add_argument("--threads", type=int, help="torch's own number where not given")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--picture", type=Path, help="file for a picture")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
