"""Commands about recipes: list, show, help, copy, init."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from finetune import compose, copying
from finetune.cli.app import ANY_OPTION, OverrideWords, Words, app
from finetune.completion import complete_key


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
    key: Annotated[
        str | None,
        typer.Argument(help="A key, or a section: training.epochs, training.", autocompletion=complete_key),
    ] = None,
) -> None:
    """Explain a key of a recipe, list the keys of a section, or list the sections."""
    print(compose.explain_keys(key, commands=[str(one.name) for one in app.registered_commands]))


@app.command("copy")
def copy_command(
    recipe: Annotated[str, typer.Argument(help="The recipe: a name or a path.", autocompletion=compose.recipe_names)],
    path: Annotated[Path, typer.Argument(help="The new file, or a folder for it.")],
) -> None:
    """Copy a recipe for editing; the copy can be run by recipe=PATH."""
    print(f"recipe={copying.copy_recipe(recipe.removeprefix('recipe='), path)}")


@app.command("init")
def init_command(
    data: Annotated[str, typer.Argument(help="A file, a folder with train, dev and test files, or a pattern.")],
    words: OverrideWords = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The new recipe.")] = Path("recipe.yaml"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    task: Annotated[str | None, typer.Option(help="The task, if the data do not tell it.")] = None,
    text: Annotated[str | None, typer.Option(help="Column of the texts, or of the words.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Column of the second texts of pairs.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Column of the labels; several of 0 and 1 each.")] = None,
    source: Annotated[str | None, typer.Option(help="Column or language of the inputs.")] = None,
    target: Annotated[str | None, typer.Option(help="Column or language of the outputs.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Choose a model that needs no Hub.")] = False,
) -> None:
    """Look at data, and write a recipe that fits them, with the reasons and what is not certain."""
    from finetune import drafting

    columns = {"text": text, "text_pair": text_pair, "label": label, "source": source, "target": target}
    overrides = compose.parse_overrides(["recipe=", *(words or [])])
    del overrides["recipe"]
    draft = drafting.draft_recipe(data, overrides, task=task, columns=columns, offline=offline, name=output.stem)
    path = draft.write(output, overwrite=overwrite)
    print(*drafting.summary(draft), *drafting.next_commands(path), sep="\n")
