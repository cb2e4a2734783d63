"""Speed, the padding that was avoided, and where the time went, as far as a run has stored them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from finetune.progress import format_seconds
from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import DataTable, is_number, with_letter

PARTS: Mapping[str, str] = {
    "training": "of training steps",
    "data": "of waiting for batches",
    "evaluation": "of evaluations on dev",
    "checkpoint": "of saving checkpoints",
}
"""The parts of a training whose seconds are stored, and how they are called."""


def speed_table(runs: Sequence[ReportedRun]) -> DataTable | None:
    """Return speed, padding and times of the runs side by side; None where no run has stored any."""
    found = [dict(_speed(run)) for run in runs]
    names = list(dict.fromkeys(name for values in found for name in values))
    if not names:
        return None
    rows = tuple((name, *(values.get(name, "not stored") for values in found)) for name in names)
    headings = [with_letter("this run" if len(runs) == 1 else "", run.letter, len(runs)) for run in runs]
    return DataTable("Speed and padding", ("", *headings), rows)


def _speed(run: ReportedRun) -> Iterator[tuple[str, str]]:
    padding = run.part("padding")
    tokens, padded = padding.get("tokens"), padding.get("padded_tokens")
    if is_number(tokens) and is_number(padded) and padded:
        yield "tokens of the first epoch", f"{tokens:,}"
        yield "positions, if its batches were padded", f"{padded:,}"
        share = f"{1 - tokens / padded:.1%}"
        yield ("padding avoided", share) if padding.get("ragged") else ("padding computed", share)
    yield from _times(run)


def _times(run: ReportedRun) -> Iterator[tuple[str, str]]:
    """Yield the speed of the training, and the time of each of its parts, over all times that it was resumed."""
    sums = Counter[str]()
    for entry in run.times:
        sums.update({name: value for name, value in entry.items() if is_number(value)})
    seconds = {name: sums[f"{name}_seconds"] for name in PARTS}
    trained, whole = seconds["training"] + seconds["data"], sum(seconds.values())
    if not whole:
        return
    if sums["tokens"] and trained:
        yield "tokens per second", f"{sums['tokens'] / trained:,.0f}"
    yield "time in all", format_seconds(whole)
    for name, shown in PARTS.items():
        yield f"time {shown}", f"{format_seconds(seconds[name])} ({seconds[name] / whole:.1%})"
