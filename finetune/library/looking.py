"""`draw_mask` and `explain`: what masks let through, and what they save, before anything is trained."""

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
    heads: int = 1,
    png: Path | None = None,
) -> str:
    """Return a drawing of a mask for `print`: a row for each query, a column for each key.

        print(finetune.draw_mask("window(3) | global_tokens(0)", length=12))
        print(finetune.draw_mask("same(sentence) | global_tokens(cls)", text="It works. Well, it does."))

    Args:
        mask: The mask, or its text.
        length: Positions, where no text is given.
        text: Draw over the tokens of this text.
        text_pair: The second text of a pair.
        model: Whose tokens: a Hub name, a folder, or `minilm`, the sample model.
        heads: Attention heads; those that see the same are drawn once.
        png: Write a picture here, too.

    Raises:
        UserError: The mask cannot be read or drawn, or the picture cannot be written.
    """
    program = Program(encoder=Site(read_mask(mask) if isinstance(mask, str) else mask))
    with log.shown():
        axis = Axis(length) if text is None else Axis.of_text(text, text_pair, model, program)
        return report.draw_mask(program.encoder.mask, axis, heads=heads, png=png)


def explain(recipe: RecipeLike, overrides: Overrides = None) -> Plans:
    """Return how the attention of a recipe's first training batch will be computed, layer by layer.

        finetune.explain("sst2", {"attention.encoder": "window(4) | global_tokens(cls)"}).table()

    Args:
        recipe: As `finetune.train` takes it.
        overrides: As `finetune.train` takes them.

    Raises:
        UserError: The recipe cannot be run, or its batches are padded.
    """
    return report.explain_recipe(resolve(recipe, overrides))
