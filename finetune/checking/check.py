"""`finetune check`: errors and warnings that can be found before a run, shown together."""

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from finetune import metrics, models, tasks
from finetune.allowed_code import Code, code_of, require_allowed
from finetune.checking.amounts import few_rows, few_steps
from finetune.checking.classes import skewed, spellings
from finetune.checking.duplicates import conflicts, duplicates, leakage
from finetune.checking.lengths import Lengths, measure
from finetune.checking.mojibake import damages
from finetune.checking.split_view import SplitView
from finetune.checking.trial import TrialSteps, try_out
from finetune.data import Field, LoadedData, SourceRows, assemble, read_sources
from finetune.data.files.find import find_split_files
from finetune.data.files.text import has_byte_order_mark
from finetune.data.targets import infer_label_kinds
from finetune.errors import UserError, single_errors
from finetune.progress import silenced
from finetune.recipe import Recipe
from finetune.tasks import Task
from finetune.tasks.visibility import hidden_text
from finetune.training import Run, prepare
from finetune.training.run import tokenizer_losses

SPLITS = ("train", "dev", "test")
LABELS = ("label", "label_list", "word_labels")
"""The kinds of fields that hold classes."""


@dataclass
class CheckReport:
    """The findings of a check. Parts that errors prevented are empty.

    Args:
        recipe: The recipe that was checked.
        code: The code that the recipe names, other than that of finetune itself.
        errors: Errors that make the run impossible.
        warnings: Findings that a user should look at, in the form of errors. They do not prevent the run.
        notes: Notes on how the data were read and split.
        columns: The names of the data set's columns, by the names of the task's fields.
        rows: The number of rows of each split.
        labels: How often each label occurs in each split, where the task has classes.
        lengths: The lengths of inputs and outputs in tokens.
        trial: The measured time and memory of training steps; None where no step could be computed.
    """

    recipe: Recipe
    code: tuple[Code, ...] = ()
    errors: list[UserError] = field(default_factory=list)
    warnings: list[UserError] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    lengths: list[Lengths] = field(default_factory=list)
    trial: TrialSteps | None = None

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Collect errors that are raised inside this block, each once, and continue after the block."""
        try:
            yield
        except UserError as error:
            known = {str(one) for one in self.errors}
            self.errors += [one for one in single_errors([error]) if str(one) not in known]


def check_recipe(recipe: Recipe) -> CheckReport:
    """Check the data and the model of a recipe, and measure some training steps.

    Nothing is left on the disk but the caches that a run would write, too. Where the recipe names code that the user
    has not allowed, nothing is read, and the report holds that error alone.
    """
    report = CheckReport(recipe, code_of(recipe))
    with report.collecting():
        require_allowed(recipe)
        task = tasks.create(recipe)
        fields = task.fields
        report.columns = {one.name: one.column for one in fields}
        given = None
        with report.collecting():
            given = read_sources(recipe.data, fields, recipe.evaluation.slice_columns)
        loaded = _check_data(report, task, given) if given is not None else None
        if loaded is None:
            _check_model(report, task)
        else:
            _try(report, task, loaded)
    return report


def _check_data(report: CheckReport, task: Task, given: Sequence[SourceRows]) -> LoadedData | None:
    """Check the rows as they are read, then the examples of the run; return these, or None where errors prevent it."""
    fields = infer_label_kinds(given[0].fields, given[0].rows["train"])
    for one in given:
        report.warnings += _marked_files(one)
        for part in _parts(one).values():
            report.warnings += [*duplicates(part, fields), *conflicts(part, fields), *damages(part)]
    loaded = None
    with report.collecting():
        loaded = task.prepare(assemble(given, report.recipe.data))
        report.notes = loaded.notes
        report.warnings += loaded.warnings
    parts = _parts(given[0]) if loaded is None else _parts_of_run(loaded, fields)
    report.warnings += leakage(parts, fields)
    report.rows = {split: part.num_rows for split, part in parts.items()}
    report.labels = _count_labels(parts, fields)
    report.warnings += [*_check_classes(report, fields, loaded), *few_rows(report.rows)]
    return loaded


def _parts(given: SourceRows) -> dict[str, SplitView]:
    fields = infer_label_kinds(given.fields, given.rows["train"])
    return {split: SplitView.of_rows(split, rows, fields) for split, rows in given.rows.items()}


def _parts_of_run(loaded: LoadedData, fields: Sequence[Field]) -> dict[str, SplitView]:
    return {split: SplitView.of_split(split, getattr(loaded, split), fields) for split in SPLITS}


def _count_labels(parts: Mapping[str, SplitView], fields: Sequence[Field]) -> dict[str, Counter[str]]:
    (name, *_) = [one.name for one in fields if one.kind in LABELS] or [""]
    return {
        split: Counter(
            label for row in part.columns[name].to_pylist() if row.strip() for label in row.strip().split("\x1f")
        )
        for split, part in parts.items()
        if name in part.columns
    }


def _check_classes(report: CheckReport, fields: Sequence[Field], loaded: LoadedData | None) -> Iterator[UserError]:
    for one in fields:
        if one.kind in LABELS:
            if loaded is None:  # otherwise labels that look alike are among its warnings
                yield from spellings(sum(report.labels.values(), Counter()), one)
            yield from skewed(report.labels.get("train", Counter()), one, report.recipe)


def _marked_files(given: SourceRows) -> list[UserError]:
    if given.data.path is None or given.data.function is not None:
        return []
    found = find_split_files(given.data, given.fields)
    paths = dict.fromkeys(
        path for sources in found.values() for source in sources if source.format != "saved" for path in source.paths
    )
    marked = [str(path) for path in paths if has_byte_order_mark(path)]
    return [
        UserError(
            "the file begins with a byte order mark (BOM), which is skipped here and may not be elsewhere",
            where=path,
            fix="save it as UTF-8 without one",
        )
        for path in marked
    ]


def _check_model(report: CheckReport, task: Task) -> None:
    """Check metrics, tokenizer and model, where errors in the data prevent a trial."""
    model = report.recipe.model
    with report.collecting():
        if report.recipe.evaluation.metrics:
            metrics.check_metric(report.recipe.evaluation.metrics, options=metrics.MetricOptions())
    if model.scratch is not None:
        return
    with report.collecting():
        tokenizer = models.load_tokenizer(model, lambda: iter(()), split_words=task.reads_words)
        labels = ("0", "1") if report.recipe.task.head.has_labels else None
        loaded = models.load_model(model, task.head, tokenizer, labels=labels, seed=report.recipe.seed)
        for key, length in task.lengths.items():
            models.check_length(loaded.config, length, key)


def _try(report: CheckReport, task: Task, loaded: LoadedData) -> None:
    """Prepare the run in a temporary folder, measure lengths, and measure some steps."""
    with tempfile.TemporaryDirectory(prefix="finetune-check-") as folder, report.collecting():
        with silenced():
            run = prepare(report.recipe.model_copy(update={"output_dir": Path(folder)}))
        for split in SPLITS:
            report.lengths += measure(task, split, getattr(loaded, split), run.context.tokenizer)
        report.warnings += [
            *_cut(report.lengths, task, models.max_positions(run.context.config)),
            *hidden_text(run.views, task.program),
            *tokenizer_losses(run),
        ]
        report.warnings += few_steps(*_steps(run), report.recipe)
        with silenced():
            report.trial = try_out(run)
        run.accelerator.end_training()


def _steps(run: Run) -> tuple[int, int]:
    """Return the number of optimizer steps of an epoch and of the run, with the present number of processes."""
    training = run.recipe.training
    batches_per_step = training.gradient_accumulation * run.accelerator.num_processes
    steps = math.ceil(len(run.plan) / batches_per_step)
    return steps, training.steps or training.epochs * steps


def _cut(lengths: Sequence[Lengths], task: Task, most: int | None) -> list[UserError]:
    """Return a warning for each limit of the recipe that some inputs or outputs exceed.

    Args:
        lengths: The measured lengths.
        task: The task, which has the limits.
        most: The largest number of tokens that the model can read; None for no limit.
    """
    if not task.cuts_inputs:
        return []
    warnings = []
    for key, limit in task.lengths.items():
        beyond = [one for one in lengths if one.key == key and one.share_beyond > 0]
        if beyond:
            longest = max(one.percentiles[-1] for one in beyond)
            warnings.append(
                UserError(
                    f"{'outputs' if 'target' in key else 'inputs'} are cut at {limit} tokens: "
                    + ", ".join(f"{one.share_beyond:.1%} of {one.split}" for one in beyond),
                    where=f"{key}={limit}",
                    found=f"up to {longest:,} tokens",
                    fix=_longer(key, longest, most),
                )
            )
    return warnings


def _longer(key: str, longest: int, most: int | None) -> str:
    if most is None or longest <= most:
        return f"{key}={longest} cuts none"
    return f"{key}={most} is the longest that the model reads; a T5 reads more, or shorten the texts"
