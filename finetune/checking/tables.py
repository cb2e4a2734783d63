"""The report of a check as tables."""

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from finetune.checking.check import SPLITS, CheckReport
from finetune.checking.lengths import PERCENTILES
from finetune.checking.trial import TrialSteps
from finetune.data.messages import plural
from finetune.progress import format_seconds

_MOST_LABELS = 40
"""The number of labels that the table lists."""


def print_report(report: CheckReport) -> None:
    """Print a report to standard output, without its errors, which the caller prints."""
    terminal = Console(highlight=False, markup=False)
    console = terminal if terminal.is_terminal else Console(width=160, highlight=False, markup=False)
    for part in _tables(report):
        console.print(part)
        console.print()


def _tables(report: CheckReport) -> Iterator[RenderableType]:
    if report.code:
        yield _code(report)
    if report.rows:
        yield _rows(report)
    if any(report.labels.values()):
        yield _labels(report)
    if report.lengths:
        yield _lengths(report)
    if report.trial is not None:
        yield _trial(report.trial)
    yield _findings(report)


def _table(*headings: str) -> Table:
    table = Table(headings[0])
    for heading in headings[1:]:
        table.add_column(heading, justify="right")
    return table


def _code(report: CheckReport) -> Table:
    table = _table("code that the recipe names", "what runs", "allowed")
    for code in report.code:
        table.add_row(f"{code.key}={code.name}", code.description, "yes" if code.is_allowed else "no")
    return table


def _rows(report: CheckReport) -> Group:
    columns = ", ".join(name if name == column else f"{column} as {name}" for name, column in report.columns.items())
    table = _table("split", "rows")
    for split, rows in report.rows.items():
        table.add_row(split, f"{rows:,}")
    return Group(f"{report.recipe.name}: columns {columns}", table, *report.notes)


def _labels(report: CheckReport) -> Table:
    splits = [split for split in SPLITS if split in report.labels]
    table = _table("label", *splits)
    names = sorted(set().union(*report.labels.values()), key=lambda name: -report.labels["train"][name])
    for name in names[:_MOST_LABELS]:
        table.add_row(
            Text(name), *(_share(report.labels[split][name], report.labels[split].total()) for split in splits)
        )
    if len(names) > _MOST_LABELS:
        table.add_row(f"and {len(names) - _MOST_LABELS:,} more", *("" for _ in splits))
    return table


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / max(total, 1):.1%})"


def _lengths(report: CheckReport) -> Table:
    headings = ["least" if at == 0 else "most" if at == 100 else f"{at}%" for at in PERCENTILES]
    table = _table("tokens", "limit", *headings, "longer")
    for one in report.lengths:
        measured = f" ({len(one.tokens):,} of {one.num_examples:,})" if one.is_sample else ""
        figures = [f"{value:,}" for value in one.percentiles]
        table.add_row(one.split + measured, f"{one.key}={one.limit}", *figures, f"{one.share_beyond:.1%}")
    return table


def _trial(trial: TrialSteps) -> Table:
    table = _table("one process on this machine", "measured")
    table.add_row("largest batch", f"{trial.examples:,} examples, {trial.tokens:,} tokens")
    table.add_row("its loss before training", f"{trial.loss:.3f} nats a target")
    table.add_row("most memory" + (" of the GPU" if trial.on_gpu else " of the process"), _size(trial.memory))
    lower, upper = map(format_seconds, trial.epoch_quartiles)
    spread = f", half of the steps {lower} to {upper}" if trial.measured[0] > 1 else ""
    steps = f"median of {plural(trial.measured[0], 'step')} after a warm-up"
    table.add_row(f"an epoch of {trial.batches:,} batches ({steps})", format_seconds(trial.epoch_seconds) + spread)
    table.add_row(f"scoring dev once ({trial.measured[1]} measured)", format_seconds(trial.dev_seconds))
    return table


def _size(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _findings(report: CheckReport) -> RenderableType:
    lines = [f"warning: {warning}" for warning in report.warnings]
    lines.append(f"{plural(len(report.errors), 'error')}, {plural(len(report.warnings), 'warning')}")
    return Text("\n".join(lines))
