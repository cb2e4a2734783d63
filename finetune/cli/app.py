"""The application, and the arguments that several commands share."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from finetune import __version__, compose
from finetune.completion import complete_word
from finetune.errors import UserError

ORDER = (
    *("run", "list", "show", "help", "copy", "init", "check", "mask", "explain", "attention"),
    *("evaluate", "compare", "report", "predict"),
)
"""The order in which `finetune --help` lists the commands; others follow them."""
SHARED = ("run", "evaluate")
"""The commands whose work several processes share."""


class Commands(TyperGroup):
    """The commands in their order, with a message that says what is meant by a command that there is not."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise compose.unknown_command(args, tuple(self.commands))
        _check_processes(args[0])
        return super().resolve_command(ctx, args)


def _check_processes(command: str) -> None:
    """Raise an error for a command in several processes, each of which would do all of the work.

    Raises:
        UserError: The command was started by `accelerate launch` or `torchrun`, and its processes share no work.
    """
    processes = os.environ.get("WORLD_SIZE", "")
    if command in SHARED or "LOCAL_RANK" not in os.environ or not processes.isdecimal() or int(processes) < 2:
        return
    raise UserError(
        f"finetune {command} runs in one process",
        expected=f"several processes only for {' and '.join(f'finetune {name}' for name in SHARED)}",
        found=f"{processes} processes, each of which would do all of the work",
        fix=f"start it without accelerate launch: finetune {command} ...",
    )


app = typer.Typer(
    cls=Commands,
    help="Fine-tune pretrained BERT and T5 models under attention masks written as expressions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ANY_OPTION = {"ignore_unknown_options": True}
"""Options of other tools reach the words of a command, whose message says which key is meant."""
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="recipe=NAME key=value ...", show_default=False, autocompletion=complete_word),
]
OverrideWords = Annotated[
    list[str] | None,
    typer.Argument(metavar="key=value ...", show_default=False, autocompletion=complete_word),
]
PictureOption = Annotated[
    Path | None, typer.Option("--picture", "--png", help="Write a picture here, too: a .png, .svg or .pdf file.")
]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit
