"""`compare`, which says whether runs differ by more than chance."""

from collections.abc import Sequence
from pathlib import Path

from finetune import log
from finetune.errors import UserError
from finetune.library.finished import FinishedRun
from finetune.report.comparison import RunComparison, compare_runs


def compare(runs: Sequence[str | Path | FinishedRun]) -> list[RunComparison]:
    """Compare finished runs on the same test examples with the first of them.

        (comparison,) = finetune.compare([baseline, run])
        for one in comparison.scores:
            print(one.name, one.difference.value, one.difference.interval, one.corrected_p_value, one.is_real)

    The differences of all scores of all runs are tested together, and their p-values corrected for their number (Holm,
    1979). The share of examples that are right is tested by McNemar's exact test, every other score by approximate
    randomization.

    Args:
        runs: Two or more runs, or their folders.

    Returns:
        One comparison for each run but the first.

    Raises:
        UserError: A folder is not that of a finished run, the runs are of different tasks or were tested on different
            examples, or they have no score that can be compared.
    """
    if isinstance(runs, str | Path | FinishedRun):
        raise UserError("compare takes a list of runs", expected="two or more runs, or their folders", found=repr(runs))
    with log.shown():
        return compare_runs([run.folder if isinstance(run, FinishedRun) else Path(run).expanduser() for run in runs])
