"""Speed, the padding that was avoided, and where the time went, as far as a run has stored them."""

from collections.abc import Iterator, Sequence

from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import DataTable, is_number, with_letter


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
    rates = [entry["tokens_per_second"] for entry in run.entries if is_number(entry.get("tokens_per_second"))]
    if rates:
        yield "tokens per second, mean", f"{sum(rates) / len(rates):,.0f}"
    for name in dict.fromkeys(name for entry in run.entries for name in entry if name.endswith("_seconds")):
        seconds = sum(entry[name] for entry in run.entries if is_number(entry.get(name)))
        yield f"{name.removesuffix('_seconds').replace('_', ' ')}, seconds", f"{seconds:,.1f}"
