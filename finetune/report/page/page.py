"""The page of a report: its sections, put into the template."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from finetune import atomic
from finetune.errors import UserError
from finetune.progress import warn
from finetune.report.page.charts import learning_curves
from finetune.report.page.compared import comparisons
from finetune.report.page.confusion import confusions
from finetune.report.page.examples import example_table
from finetune.report.page.facts import fact_table, split_tables
from finetune.report.page.folders import read_folders
from finetune.report.page.masks import mask_pictures
from finetune.report.page.scores import detail_tables, score_table, signatures
from finetune.report.page.slices import slice_tables
from finetune.report.page.speed import speed_table

NAME = "report.html"
"""Name of the report in a run folder."""
_GENERATOR, _HEAD = b'<meta name="generator" content="finetune"', 2_000
"""By what a report is recognised, which a newer one may replace, in its first bytes."""
_HERE = Path(__file__).parent
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that no page of HTML may hold."""


def build_page(folders: Sequence[Path]) -> str:
    """Return the report of one run, or of several side by side, as one page of HTML.

    Args:
        folders: The run folders.

    Raises:
        UserError: There is no folder, or one cannot be read.
    """
    runs = read_folders(folders)
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_HERE / "table.js.jinja").read_text(encoding="utf-8")
    sections: dict[str, Any] = {
        "facts": fact_table(runs),
        "splits": split_tables(runs),
        "speed": speed_table(runs),
        "scores": score_table(runs),
        "details": [*detail_tables(runs), *slice_tables(runs)],
        "signatures": signatures(runs),
        "confusions": [(run, found) for run in runs if (found := confusions(run)) is not None],
        "comparisons": comparisons(runs) if len(runs) > 1 else [],
        "curves": learning_curves(runs),
        "masks": mask_pictures(runs),
        "examples": [(run, example_table(run, len(runs))) for run in runs],
    }
    page = environment.get_template("page.html.jinja").render(
        runs=runs,
        title=", ".join(run.title for run in runs),
        style=Markup((_HERE / "style.css.jinja").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **sections,
    )
    return _UNSEEN.sub("\ufffd", page)


def write_page(folders: Sequence[Path], path: Path) -> Path:
    """Write the report of one run or of several into a file, which is replaced if it is there.

    Args:
        folders: The run folders.
        path: The file.

    Returns:
        The path.

    Raises:
        UserError: A folder cannot be read, the file is there and is no report, or it cannot be written.
    """
    try:
        if path.exists() and _GENERATOR not in path.read_bytes()[:_HEAD]:
            raise UserError(f"{path} is there already, and is no report", fix="name a new file: --output ...")
        page = build_page(folders)
        atomic.write_text(path, page)
    except OSError as error:
        raise UserError(f"{path} cannot be written", found=error.strerror, fix="--output FILE") from error
    return path


def write_report(folder: Path) -> Path | None:
    """Write the report of a run that has ended into its folder; whatever fails is a warning, since the run is done.

    Args:
        folder: The run folder.

    Returns:
        The path of the report, or None if it could not be written.
    """
    try:
        return write_page([folder], folder / NAME)
    except Exception as error:  # nothing in a report is worth a run
        warn(f"the report of {folder} is not written: {type(error).__name__}: {error}")
        return None
