"""The application, and the arguments that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from finetune import __version__, compose
from finetune.completion import complete_word

ORDER = (
    *("run", "list", "show", "help", "copy", "init", "check", "mask", "explain", "attention"),
    *("evaluate", "compare", "report", "predict"),
)
"""The order in which `finetune --help` lists the commands; others follow them."""


class Commands(TyperGroup):
    """The commands in their order, with a message that says what is meant by a command that there is not."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise compose.unknown_command(args, tuple(self.commands))
        return super().resolve_command(ctx, args)


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
