"""Commands about attention: mask, explain, attention."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from finetune import compose, log
from finetune.cli.app import ANY_OPTION, OverrideWords, PictureOption, Words, app
from finetune.errors import UserError


class SiteOption(StrEnum):
    """Sites of attention, as an enumeration, which typer needs for choices."""

    encoder = "encoder"
    decoder = "decoder"
    cross = "cross"


ExpressionArgument = Annotated[
    str,
    typer.Argument(
        help="A mask: window(3) | global_tokens(0). Or the masks of a site, as attention.encoder takes them: "
        "{mask: window(3), layers: {-1: full()}}. Or recipe=NAME."
    ),
]
HeadsOption = Annotated[
    int | None,
    typer.Option(
        help="Number of attention heads; heads with the same mask are drawn once. By default the smallest number "
        "that the masks fit.",
        min=1,
        show_default=False,
    ),
]


@app.command("mask")
def mask_command(
    expression: ExpressionArgument,
    words: OverrideWords = None,
    length: Annotated[int, typer.Option(help="Number of positions, if no text is given.", min=1)] = 24,
    heads: HeadsOption = None,
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
