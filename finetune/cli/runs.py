"""Commands about runs: run, check, evaluate, compare, report, push."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from finetune import compose, run
from finetune.cli.app import ANY_OPTION, OverrideWords, Words, app
from finetune.cli.predict import TaskOption
from finetune.errors import UserError, raise_all


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


@app.command("evaluate")
def evaluate_command(
    model: Annotated[str, typer.Argument(metavar="RUN_OR_NAME", help="A run folder, a model's folder, or a Hub name.")],
    words: OverrideWords = None,
    data: Annotated[str | None, typer.Option("--data", "-d", help="A file, or a folder that holds splits.")] = None,
    split: Annotated[Literal["train", "dev", "test"] | None, typer.Option(help="Which split is scored.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new folder for scores and predictions.")
    ] = None,
    task: TaskOption = None,
) -> None:
    """Score a trained model on other data, with intervals, as a run scores its own model on its test split."""
    overrides = _evaluate_overrides(model, words or [])
    from finetune import serve

    serve.evaluate_model(model, data, split, kind=task, overrides=overrides, output=output).print()


def _evaluate_overrides(model: str, words: list[str]) -> dict[str, Any]:
    if files := [word for word in words if "=" not in word]:
        raise UserError(
            f"{files[0]!r} is not of the form key=value",
            expected="the file or the folder that is scored after --data",
            fix=f"finetune evaluate {model} --data {files[0]}",
        )
    return compose.parse_overrides(words)


@app.command("compare")
def compare_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN ...", help="Folders of finished runs or evaluations.")],
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
