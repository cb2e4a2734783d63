"""`draw_mask` and `explain`, which show masks and how attention is computed, without training."""

from pathlib import Path

from finetune import log, report
from finetune.attention import Mask, Program, Site
from finetune.library.overrides import Overrides, RecipeLike, resolve
from finetune.report.drawings import Axis, read_mask
from finetune.report.plans import Plans


def draw_mask(
    mask: str | Mask,
    *,
    length: int = 24,
    text: str | None = None,
    text_pair: str | None = None,
    model: str = "minilm",
    heads: int | None = None,
    picture: Path | None = None,
) -> str:
    """Return a drawing of a mask for `print`: a row for each query, a column for each key.

        print(finetune.draw_mask("window(3) | global_tokens(0)", length=12))
        print(finetune.draw_mask("same(sentence) | global_tokens(cls)", text="It works. Well, it does."))

    Args:
        mask: The mask, or its text.
        length: Number of positions, if no text is given.
        text: A text, over whose tokens the mask is drawn.
        text_pair: The second text of a pair.
        model: Model whose tokenizer is used: a name on the Hub, a folder, or `minilm`, the sample model.
        heads: Number of attention heads; heads with the same mask are drawn once. None takes the smallest number that
            the mask fits.
        picture: Path of a .png, .svg or .pdf file that is also written; None writes none.

    Raises:
        UserError: The mask cannot be read or drawn, or the picture cannot be written.
    """
    program = Program(encoder=Site(read_mask(mask) if isinstance(mask, str) else mask))
    with log.shown():
        axis = Axis(length) if text is None else Axis.of_text(text, text_pair, model, program)
        return report.draw_mask(program.encoder.mask, axis, heads=heads, picture=picture)


def explain(recipe: RecipeLike, overrides: Overrides = None) -> Plans:
    """Return how the attention of a recipe's first training batch will be computed, layer by layer.

        finetune.explain("sst2", {"attention.encoder": "window(4) | global_tokens(cls)"}).table()

    Args:
        recipe: The name of a recipe, a path, a `finetune.Recipe`, or a dictionary, as for `finetune.train`.
        overrides: Values of keys of the recipe, as for `finetune.train`.

    Raises:
        UserError: The recipe cannot be run, or its batches are padded.
    """
    return report.explain_recipe(resolve(recipe, overrides))
