"""The `finetune` command: a thin skin over the packages."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from finetune import __version__, compose, run
from finetune.errors import UserError

app = typer.Typer(
    help="Fine-tune pretrained BERT and T5 models under attention masks written as expressions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Words = Annotated[list[str] | None, typer.Argument(metavar="recipe=NAME key=value ...", show_default=False)]


@app.command("run")
def run_command(words: Words = None) -> None:
    """Fine-tune and evaluate. For several GPUs: accelerate launch finetune/run.py recipe=NAME ..."""
    recipe = compose.compose(words or [], default=compose.DEFAULT_RECIPE)
    run.run(recipe)


@app.command("list")
def list_command() -> None:
    """Show every recipe with its task, model and one line."""
    table = Table(box=None)
    for heading in ("recipe", "task", "model"):
        table.add_column(heading, no_wrap=True)
    table.add_column("about")
    for name in compose.recipe_names():
        recipe = compose.load(name)
        table.add_row(name, recipe.task.kind, recipe.model.description, recipe.summary)
    terminal = Console()
    (terminal if terminal.is_terminal else Console(width=200)).print(table)


@app.command("show")
def show_command(words: Words = None) -> None:
    """Print a recipe with everything resolved, as YAML that can be run again."""
    print(compose.to_yaml(compose.compose(words or [])), end="")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point: a user's mistake is told without a traceback, exit status 2."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
