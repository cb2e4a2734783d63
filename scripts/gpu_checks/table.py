"""The table that the GPU check prints at its end."""

from collections.abc import Iterator, Sequence

from scripts.gpu_checks.results import Comparison, Failed, LeftOut, Measurement, PartReport, last_line

Row = tuple[str, str, str]


def table(reports: Sequence[PartReport]) -> str:
    """Return a table: a line for each part, then what failed, what was measured and what was left out of it.

    Args:
        reports: The parts.
    """
    rows = [row for report in reports for row in part_rows(report)]
    if not rows:
        return "nothing was run"
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{one:<{first}}  {other:<{second}}  {last}".rstrip() for one, other, last in rows)


def part_rows(report: PartReport) -> Iterator[Row]:
    """Yield the rows of a part: name, status or number, and a remark."""
    comparisons = report.of(Comparison)
    passed = sum(one.passed for one in comparisons)
    agreed = f"{passed} of {len(comparisons)} comparisons within tolerance, " if comparisons else ""
    yield report.name, report.status.upper(), f"{agreed}{report.seconds:.0f} s"
    for one in comparisons:
        if not one.passed:
            yield f"  {one.name}", f"{one.error:.2g}", f"FAILED, tolerance {one.tolerance:.2g}"
    for one in report.of(Failed):
        yield f"  {one.name}", "ERROR", last_line(one.traceback)
    for one in report.of(Measurement):
        yield f"  {one.name}", str(one.value), one.unit
    for one in report.of(LeftOut):
        yield f"  {one.name}", "left out", one.reason
    if report.traceback is not None:
        yield "  the part", "ERROR", last_line(report.traceback)
