"""The `finetune` command. Each subcommand parses its arguments and calls one function of a package."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from finetune import __version__, compose, copying, log, run
from finetune.errors import UserError, raise_all
from finetune.recipe import find_task, heads


class Commands(TyperGroup):
    """The commands, with a message that says what is meant by a command that there is not."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise compose.unknown_command(args, tuple(self.commands))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    help="Fine-tune pretrained BERT and T5 models under attention masks written as expressions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
ANY_OPTION = {"ignore_unknown_options": True}
"""Options of other tools reach the words of a command, whose message says which key is meant."""
Words = Annotated[list[str] | None, typer.Argument(metavar="recipe=NAME key=value ...", show_default=False)]


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

PictureOption = Annotated[
    Path | None, typer.Option("--picture", "--png", help="Write a picture here, too: a .png, .svg or .pdf file.")
]


class SiteOption(StrEnum):
    """Sites of attention, as an enumeration, which typer needs for choices."""

    encoder = "encoder"
    decoder = "decoder"
    cross = "cross"


@app.command("run", context_settings=ANY_OPTION)
def run_command(words: Words = None) -> None:
    """Fine-tune and evaluate. For several GPUs: accelerate launch finetune/run.py recipe=NAME ..."""
    recipe = compose.compose(words or [], default=compose.DEFAULT_RECIPE)
    raise typer.Exit(run.status(recipe))


@app.command("list")
def list_command() -> None:
    """Show every recipe with a one-line summary, its task, model, data, seed and masks."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name in compose.recipe_names():
        recipe = compose.load_recipe(name)
        kind = recipe.task.kind.replace("_", " ")
        table.add_row(name, recipe.summary)
        table.add_row("", f"{kind}, {recipe.model.description}, data: {recipe.data.description}, seed: {recipe.seed}")
        table.add_row("", f"masks: {recipe.attention.description}")
    Console(highlight=False, markup=False).print(table)


@app.command("show", context_settings=ANY_OPTION)
def show_command(words: Words = None) -> None:
    """Print a recipe with all values resolved and explained, as YAML that can be run again."""
    print(compose.commented_yaml(compose.compose(words or [])), end="")


@app.command("help")
def help_command(
    key: Annotated[str | None, typer.Argument(help="A key, or a section: training.epochs, training.")] = None,
) -> None:
    """Explain a key of a recipe, list the keys of a section, or list the sections."""
    print(compose.explain_keys(key, commands=[str(one.name) for one in app.registered_commands]))


@app.command("copy")
def copy_command(
    recipe: Annotated[str, typer.Argument(help="The recipe: a name or a path.")],
    path: Annotated[Path, typer.Argument(help="The new file, or a folder for it.")],
) -> None:
    """Copy a recipe for editing; the copy can be run by recipe=PATH."""
    print(f"recipe={copying.copy_recipe(recipe.removeprefix('recipe='), path)}")


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


@app.command("mask")
def mask_command(
    expression: Annotated[
        str,
        typer.Argument(
            help="A mask: window(3) | global_tokens(0). Or the masks of a site, as attention.encoder takes them: "
            "{mask: window(3), layers: {-1: full()}}. Or recipe=NAME."
        ),
    ],
    words: Annotated[list[str] | None, typer.Argument(metavar="key=value ...", show_default=False)] = None,
    length: Annotated[int, typer.Option(help="Number of positions, if no text is given.", min=1)] = 24,
    heads: Annotated[
        int | None,
        typer.Option(
            help="Number of attention heads; heads with the same mask are drawn once. By default the smallest number "
            "that the masks fit.",
            min=1,
            show_default=False,
        ),
    ] = None,
    layers: Annotated[int, typer.Option(help="Number of layers of each site, for a recipe's masks.", min=1)] = 12,
    text: Annotated[str | None, typer.Option(help="Draw the mask over the tokens of this text.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="The second text of a pair.")] = None,
    model: Annotated[
        str, typer.Option(help="Model whose tokenizer is used: a Hub name, a folder, or minilm.")
    ] = "minilm",
    picture: PictureOption = None,
) -> None:
    """Draw a mask, or the masks of a recipe that are not the standard ones."""
    of_recipe = expression.startswith("recipe=")
    if words and not of_recipe:
        raise UserError(f"{words[0]!r} is one argument too many", fix="put the mask in quotes")
    recipe = compose.compose([expression, *(words or [])]) if of_recipe else None
    from finetune import report
    from finetune.attention import Program
    from finetune.report.drawings import Axis, read_site

    program = recipe.attention.program if recipe else Program(encoder=read_site(expression))
    axis = Axis(length) if text is None else Axis.of_text(text, text_pair, model, program)
    if recipe or program.encoder.layers:
        print(report.draw_program(program, axis, layers=layers, heads=heads, picture=picture))
    else:
        print(report.draw_mask(program.encoder.mask, axis, heads=heads, picture=picture))


@app.command("explain", context_settings=ANY_OPTION)
def explain_command(words: Words = None) -> None:
    """Show how the attention of a recipe is computed, what this saves, and which tokens reach the head."""
    from finetune import report

    plans = report.explain_recipe(compose.compose(words or []))
    for line in plans.sentences():
        print(log.fit_to_width(line))
    if (reach := plans.reach_table()) is not None:
        Console(highlight=False).print(reach)
    for warning in plans.warnings:
        print(log.fit_to_width(f"warning: {warning}"))


@app.command("attention")
def attention_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    text: Annotated[str, typer.Option(help="The text that the model reads.")],
    text_pair: Annotated[str | None, typer.Option(help="The second text of a pair.")] = None,
    site: Annotated[SiteOption, typer.Option(help="Site of the attention.")] = SiteOption.encoder,
    layer: Annotated[int, typer.Option(help="Layer, counted from 0; negative numbers count from the end.")] = -1,
    head: Annotated[
        int | None,
        typer.Option(help="The only head to draw, counted from 0; by default all heads are.", show_default=False),
    ] = None,
    mean: Annotated[bool, typer.Option("--mean", help="Draw the mean over all heads.")] = False,
    picture: PictureOption = None,
) -> None:
    """Draw the attention weights of the heads of a trained model."""
    if mean and head is not None:
        raise UserError("--head and --mean are both given", fix="give one of them")
    from finetune import report

    chosen: int | Literal["mean"] | None = "mean" if mean else head
    print(report.draw_weights(run, text, pair=text_pair, site=site.value, layer=layer, head=chosen, picture=picture))


@app.command("predict")
def predict_command(
    model: Annotated[str, typer.Argument(metavar="RUN_OR_NAME", help="A run folder, a model's folder, or a Hub name.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="key=value ...", show_default=False)] = None,
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
            serve.Input(_path(given), format_, encoding, delimiter),
            serve.Output(_path(wanted), output_format),
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


def _path(name: str) -> Path | None:
    return None if name == "-" else Path(name).expanduser()


@app.command("push")
def push_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    name: Annotated[str, typer.Argument(help="Repository on the Hub: user/name.")],
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = False,
) -> None:
    """Push the model of a finished run to the Hub, with recipe, masks, scores and model card."""
    from finetune import hub

    print(hub.push(run, hub.Repository(name, private)))


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command; after a mistake of the user, print it without a traceback and exit with status 2."""
    log.to_console()
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
