"""The command that predicts."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from finetune import compose
from finetune.cli.app import OverrideWords, app
from finetune.errors import UserError
from finetune.recipe import find_task, heads

FormatName = Literal["csv", "tsv", "json", "jsonl", "parquet", "text"]
OutputFormatName = Literal["csv", "tsv", "jsonl", "text"]
TASK_NAMES = tuple(heads())
"""The tasks that can be recognized by the class of a model alone."""


def _known_task(name: str | None) -> str | None:
    if name is not None and name not in TASK_NAMES and find_task(name) is None:
        names = ", ".join(map(repr, TASK_NAMES))
        raise typer.BadParameter(f"{name!r} is not one of {names}.")
    return name


TaskOption = Annotated[
    str | None,
    typer.Option(help="Task of a model without a recipe.", metavar=f"[{'|'.join(TASK_NAMES)}]", callback=_known_task),
]


@app.command("predict")
def predict_command(
    model: Annotated[str, typer.Argument(metavar="RUN_OR_NAME", help="A run folder, a model's folder, or a Hub name.")],
    words: OverrideWords = None,
    given: Annotated[str, typer.Option("--input", "-i", help="csv, tsv, json(l), parquet or text; - is stdin.")] = "-",
    wanted: Annotated[str, typer.Option("--output", "-o", help="A file; - is standard output.")] = "-",
    format_: Annotated[
        FormatName | None, typer.Option("--format", help="Format of the input, if not that of its name.")
    ] = None,
    output_format: Annotated[
        OutputFormatName | None, typer.Option(help="Format of the output, if not that of its name.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option(help="Name of a column of the input: text=review.")] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Write the model's confidence, too.")] = False,
    num_beams: Annotated[int | None, typer.Option(help="Number of beams of generated texts.", min=1)] = None,
    task: TaskOption = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the input, if it is not found out.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Delimiter of csv and tsv, if it is not found out.")] = None,
    window: Annotated[int, typer.Option(help="Number of rows that are held in memory.", min=1)] = 2048,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 2 if a row has no prediction.")] = False,
) -> None:
    """Predict each row of a file, in order; rows that cannot be read are reported, and all others are predicted."""
    overrides = _predict_overrides(model, words or [], column or [], num_beams)
    from finetune import serve

    try:
        summary = serve.predict_file(
            model,
            serve.Input(_path(given, "--input"), format_, encoding, delimiter),
            serve.Output(_path(wanted, "--output"), output_format),
            kind=task,
            overrides=overrides,
            scores=scores,
            window=window,
        )
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of the pipe has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None
    raise typer.Exit(2 if strict and summary.bad else 0)


def _predict_overrides(model: str, words: list[str], columns: list[str], num_beams: int | None) -> dict[str, Any]:
    if files := [word for word in words if "=" not in word]:
        raise UserError(
            f"{files[0]!r} is not of the form key=value",
            expected="the file to predict after --input, and the file for predictions after --output",
            fix=f"finetune predict {model} --input {files[0]}",
        )
    if odd := [column for column in columns if "=" not in column]:
        raise UserError(f"--column {odd[0]} does not say which column it is", fix=f"--column text={odd[0]}, say")
    beams = [] if num_beams is None else [f"task.num_beams={num_beams}"]
    return compose.parse_overrides([*words, *(f"data.columns.{column}" for column in columns), *beams])


def _path(name: str, option: str) -> Path | None:
    if not name.strip():
        raise UserError(f"{option} is empty", expected="the name of a file, or - for the standard stream")
    return None if name == "-" else Path(name).expanduser()
