"""The command `scripts/check_gpu`: arguments, progress, the report, and the exit status."""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.gpu_checks.parts import PARTS
from scripts.gpu_checks.results import Comparison, Failed, Machine, PartReport, Result, Results
from scripts.gpu_checks.runner import Budget, Part, run_in_process, run_parts
from scripts.gpu_checks.setting import Setting, describe, missing_for_training, version_of
from scripts.gpu_checks.table import table

FORMAT = 1
"""Version of the form of the JSON file."""
MINUTES, QUICK_MINUTES = 8.0, 2.0


def main(words: Sequence[str] | None = None) -> int:
    """Run the check; return 0 if everything agreed, 1 if something did not, 2 without a GPU or for a wrong argument.

    Args:
        words: The arguments of the command; those of the process if not given.
    """
    arguments = parse(words)
    start = time.monotonic()
    minutes = arguments.minutes or (QUICK_MINUTES if arguments.quick else MINUTES)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # By default torch asks whether there is a GPU in a way after which a process cannot be forked any more.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    multiprocessing.get_context("forkserver").set_forkserver_preload(["scripts.gpu_checks.parts"])
    found = find_machine(arguments.device)
    if isinstance(found, str):
        print(found, file=sys.stderr)
        return 2
    machine, method = found
    print(f"{machine['name']}, torch {machine['versions']['torch']}, at most {minutes:g} minutes", flush=True)
    for package in missing_for_training():
        print(f"  {package} is not installed: training by finetune.training is left out", flush=True)
    reports: list[PartReport] = []

    def on_part(report: PartReport) -> None:
        reports.append(report)
        print(f"== {report.name}: {report.status}, {report.seconds:.0f} s", flush=True)
        write(arguments.output, to_json(machine, reports, quick=arguments.quick, seconds=time.monotonic() - start))

    run_parts(
        chosen_parts(arguments.parts),
        arguments.device,
        quick=arguments.quick,
        budget=Budget(start + 60 * minutes),
        method=method,
        on_result=show,
        on_part=on_part,
    )
    print(table(reports))
    print(f"written to {arguments.output}")
    return int(any(report.status == "failed" for report in reports))


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments of the command; end with status 2 where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/check_gpu",
        description="Proves finetune on a GPU: kernels, models and training against references, and speed.",
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: tiny sizes, to try the check")
    parser.add_argument("--quick", action="store_true", help="fewer cases and rounds, in two minutes")
    parser.add_argument("--minutes", type=float, help="time for everything; what does not fit is left out (default: 8)")
    parser.add_argument("--output", type=Path, default=Path("gpu_check.json"), help="the JSON file to write")
    parser.add_argument("--parts", help=f"parts to run, separated by semicolons: {'; '.join(p.name for p in PARTS)}")
    arguments = parser.parse_args(words)
    if arguments.minutes is not None and not arguments.minutes > 0:
        parser.error(f"--minutes: expected a number above 0, found {arguments.minutes:g}")
    known = {part.name for part in PARTS}
    for name in split(arguments.parts):
        if name not in known:
            parser.error(f"--parts: there is no part {name!r}; there are {'; '.join(p.name for p in PARTS)}")
    return arguments


def split(parts: str | None) -> list[str]:
    """Return the names in the argument --parts."""
    return [name.strip() for name in (parts or "").split(";") if name.strip()]


def chosen_parts(parts: str | None) -> list[Part]:
    """Return the parts that --parts names, all without it, in the order of `PARTS`."""
    names = split(parts)
    return [part for part in PARTS if not names or part.name in names]


def find_machine(device: str) -> tuple[dict[str, Any], str] | str:
    """Return what `describe` says of the device and how processes that use it are started, or why there is none.

    A process of its own looks for it: processes cannot be forked from one that has used CUDA. Where a library has used
    it on import, forked processes find no GPU, and those that are started anew find it.
    """
    why = f"no GPU was found by torch {version_of('torch')}"
    for method in ("forkserver", "spawn"):
        report = run_in_process(Part("machine", look, 1), device, True, 60, 90, lambda *_: None, method)
        for machine in report.of(Machine):
            if machine.facts is not None:
                return machine.facts, method
        why = f"the device cannot be used: {report.traceback}" if report.traceback else why
    return f"{why}; `scripts/check_gpu --device cpu --quick` tries the check with tiny sizes"


def look(setting: Setting) -> Results:
    """Yield the machine, after a first use of the device."""
    import torch

    if setting.on_gpu and not torch.cuda.is_available():
        yield Machine(None)
        return
    torch.ones(1, device=setting.device).item()
    yield Machine(describe(setting.device))


def show(part: str, result: Result) -> None:
    """Print a result when it comes."""
    failed = isinstance(result, Failed) or (isinstance(result, Comparison) and not result.passed)
    mark = "FAILED " if failed else ""
    print(f"{part}: {mark}{result}", flush=True)


def to_json(machine: dict[str, Any], reports: Sequence[PartReport], *, quick: bool, seconds: float) -> dict[str, Any]:
    """Return everything that was found, for JSON.

    Args:
        machine: What `describe` returned.
        reports: The parts that have ended.
        quick: Whether the check was a quick one.
        seconds: How long it has run.
    """
    return {
        "format": FORMAT,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "quick": quick,
        "passed": all(report.status != "failed" for report in reports),
        "machine": machine,
        "parts": [report.to_json() for report in reports],
    }


def write(path: Path, report: dict[str, Any]) -> None:
    """Write the JSON file whole, so that whoever reads it while parts run finds no half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    unfinished.replace(path)
