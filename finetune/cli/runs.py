"""Commands about runs: run, check, compare, report, push."""

from pathlib import Path
from typing import Annotated

import typer

from finetune import compose, run
from finetune.cli.app import ANY_OPTION, Words, app
from finetune.errors import raise_all


@app.command("run", context_settings=ANY_OPTION)
def run_command(words: Words = None) -> None:
    """Fine-tune and evaluate. For several GPUs: accelerate launch finetune/run.py recipe=NAME ..."""
    recipe = compose.compose(words or [], default=compose.DEFAULT_RECIPE)
    raise typer.Exit(run.status(recipe))


@app.command("check", context_settings=ANY_OPTION)
def check_command(words: Words = None) -> None:
    """Check the data of a run, its lengths in tokens, and the cost of a step. The exit status is 2 on any error."""
    recipe = compose.compose(words or [])
    from finetune.tasks.preflight import check_early

    check_early(recipe)
    from finetune import checking

    report = checking.check_recipe(recipe)
    checking.print_report(report)
    raise_all(report.errors)


@app.command("compare")
def compare_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN ...", help="Folders of finished runs.")],
    examples: Annotated[int, typer.Option(help="How many changed examples are shown, each way.", min=0)] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write all changed examples here, as JSON lines.")
    ] = None,
) -> None:
    """Say whether the scores of runs on the same test examples differ from those of the first by more than chance."""
    from finetune import report

    comparisons = report.compare_runs(runs)
    if output is not None:
        report.write_changed(comparisons, output)
    report.print_comparisons(comparisons, examples)


@app.command("report")
def report_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN [RUN ...]", help="Run folders; several side by side.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page: report.html in the folder of one run, here for several."),
    ] = None,
) -> None:
    """Write a page with scores, curves, examples, data and masks of one run, or of several side by side."""
    from finetune.report import page

    default = runs[0] / page.NAME if len(runs) == 1 else Path(page.NAME)
    print(page.write_page(runs, output or default))


@app.command("push")
def push_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    name: Annotated[str, typer.Argument(help="Repository on the Hub: user/name.")],
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = False,
) -> None:
    """Push the model of a finished run to the Hub, with recipe, masks, scores and model card."""
    from finetune import hub

    print(hub.push(run, hub.Repository(name, private)))
