"""Overhead beside the computation: imports, commands, the start of a run, the loop, waiting for data.

    python scripts/bench_overhead.py

prints the median and the quartiles of several rounds of

    the seconds that `import finetune` and each command take, and those of a Python that does nothing,
    the seconds from the start of a process to the end of its first step, by part,
    the additional time of the loop over a minimal one (forward, backward, clipping, optimizer, computed in the same
    ways) with the same model and the same prepared batches,
    the share of an epoch in which the loop waits for a batch.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path

if __name__ == "__main__":  # the checkout, so that `scripts` is a package
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch

from finetune.compose import to_yaml
from finetune.hardware.dropout import fast_dropout
from finetune.hardware.embeddings import SparseEmbeddingGradients
from finetune.recipe import Training
from finetune.tasks import Batch
from finetune.training import Run
from finetune.training.micro_batches import MicroBatch, StepPlan, plan_steps
from finetune.training.nonfinite import step_where_finite
from finetune.training.optimizer import build_optimizer
from scripts.benchmark_models import Shape, recipe, shape, write
from scripts.benchmarking import Spread, interleave, machine, print_table
from scripts.training_variants import LoopVariant, TrainingOnly
from scripts.variant import BATCH_SIZE, Prepared, quiet

CLI = "import sys; sys.argv[0] = 'finetune'; from finetune.cli import main; main()"
COMMANDS = {
    "python": ["-c", "pass"],
    "import finetune": ["-c", "import finetune"],
    "finetune --help": ["-c", CLI, "--help"],
    "finetune list": ["-c", CLI, "list"],
    "finetune show recipe=sst2": ["-c", CLI, "show", "recipe=sst2"],
}

FIRST_STEP = """
import json, sys, time
from finetune.compose import compose
moments = {}
recipe = compose(["recipe=" + sys.argv[1]])
moments["recipe"] = time.time()
from finetune.training import prepare
from finetune.training.loop import Loop
moments["libraries"] = time.time()
class TrainingOnly(Loop):
    def _evaluation_is_due(self, steps_of_epoch):
        return False
run = prepare(recipe)
moments["data, model, encoding"] = time.time()
TrainingOnly(run).train()
moments["first step"] = time.time()
print(json.dumps(moments))
"""
"""A program that prints the time at the end of each part, in seconds since 1970."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command."""
    args = _parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    chosen = shape(args.model, quick=args.quick)
    with tempfile.TemporaryDirectory(prefix="bench_overhead_") as folder:
        write(chosen, Path(folder), args.examples)
        figures = {"seconds": commands(args.rounds) | first_steps(chosen, Path(folder), args.rounds)}
        with quiet():
            ours = LoopVariant(
                "finetune", Prepared(chosen, Path(folder), args.examples), "bf16" if args.bf16 else "fp32"
            )
        figures["shares"] = loop_shares(ours, args.rounds)
    rows = [[name, str(spread)] for name, spread in figures["seconds"].items()]
    print_table("From the start of a process", ["", "seconds"], rows)
    rows = [
        [name, f"{100 * spread.median:.2f}% ({100 * spread.lower:.2f} to {100 * spread.upper:.2f})"]
        for name, spread in figures["shares"].items()
    ]
    print_table(f"{chosen.title}, {args.examples} examples", ["", "of the epoch"], rows)
    if args.json:
        plain = {kind: {name: asdict(spread) for name, spread in of.items()} for kind, of in figures.items()}
        args.json.write_text(json.dumps({"machine": machine()} | plain, indent=1), encoding="utf-8")
    return 0


def commands(rounds: int) -> dict[str, Spread]:
    """Return the seconds of a Python process that runs each command."""
    timings = interleave({name: partial(_python, *words) for name, words in COMMANDS.items()}, rounds)
    return {name: timings.of(name) for name in COMMANDS}


def _python(*arguments: str) -> str:
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def first_steps(shape: Shape, folder: Path, rounds: int) -> dict[str, Spread]:
    """Return the seconds of each part of the start of a run, which is in a new process each time."""
    path = folder / "recipe.yaml"
    path.write_text(to_yaml(recipe(shape, folder, Training(steps=1, batch_size=BATCH_SIZE))), encoding="utf-8")
    parts: dict[str, list[float]] = {}
    for _ in range(rounds):
        moments = {"start": time.time()} | json.loads(_python("-c", FIRST_STEP, str(path)).splitlines()[-1])
        for before, after in pairwise(moments):
            parts.setdefault(f"run: {after}", []).append(moments[after] - moments[before])
        parts.setdefault("run: from start to first step", []).append(moments["first step"] - moments["start"])
    return {name: Spread.of(seconds) for name, seconds in parts.items()}


def loop_shares(ours: LoopVariant, rounds: int) -> dict[str, Spread]:
    """Return the additional time of the loop over a minimal one, and its waiting time, as shares of an epoch."""
    waits: list[float] = []
    run = ours.run

    def whole() -> None:
        with ours.at_work(), quiet():
            loop = TrainingOnly(run)
            waiting = Waiting(loop.micro_batches)
            loop.micro_batches = waiting  # type: ignore[method-assign]
            loop.train()
            waits.append(waiting.seconds)

    with ours.at_work():
        loop = TrainingOnly(run)
        batches = [micro_batch.batch for micro_batch in loop.micro_batches(plan_steps(run, 0))]
    timings = interleave({"loop": whole, "bare": partial(bare, ours, batches)}, rounds)
    pairs = zip(timings.seconds["loop"], timings.seconds["bare"], strict=True)
    shares = [wait / seconds for wait, seconds in zip(waits[1:], timings.seconds["loop"], strict=True)]
    return {
        "the loop's own time, over a bare loop": Spread.of([loop / bare - 1 for loop, bare in pairs]),
        "waiting for batches": Spread.of(shares),
    }


def bare(ours: LoopVariant, batches: Sequence[Batch]) -> None:
    """Train an epoch by a minimal loop that computes in the same ways, and checks, logs and saves nothing."""
    run: Run = ours.run
    with ours.at_work():
        optimizer = build_optimizer(run.model, run.recipe.training, len(batches))
        embeddings = SparseEmbeddingGradients(run.model, enabled=True)
        run.model.train()
        with run.matmul.used(), fast_dropout(run.model), embeddings.gathered():
            for batch in batches:
                with run.accelerator.autocast():
                    loss = run.task.loss(run.model, batch, 0.0)
                (loss / len(batch.features)).backward()  # type: ignore[no-untyped-call]
                embeddings.fill()
                gradients = (embeddings.nonzero(weight) for weight in run.model.parameters())
                norm = torch.nn.utils.get_total_norm([gradient for gradient in gradients if gradient is not None])
                step_where_finite(optimizer, torch.zeros(()), norm.clamp(min=1))
                optimizer.zero_grad()
                embeddings.clear()


class Waiting:
    """A source of micro-batches that measures the seconds in which its user waits for it."""

    def __init__(self, source: Callable[[Sequence[StepPlan]], Generator[MicroBatch]]) -> None:
        self.source = source
        self.seconds = 0.0

    def __call__(self, steps: Sequence[StepPlan]) -> Generator[MicroBatch]:
        """Yield the micro-batches of the source."""
        with closing(self.source(steps)) as batches:
            while True:
                start = time.perf_counter()
                batch = next(batches, None)
                self.seconds += time.perf_counter() - start
                if batch is None:
                    return
                yield batch


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["minilm", "base", "t5"], default="minilm")
    parser.add_argument("--examples", type=int, default=640, help="in an epoch")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bf16", action="store_true", help="in place of fp32")
    parser.add_argument("--threads", type=int, help="torch's own number where not given")
    parser.add_argument("--quick", action="store_true", help="a tiny model, to see that it runs")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
