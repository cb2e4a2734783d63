"""Translation: a text in one language from a text in another."""

from string import Formatter
from typing import cast

from transformers.models.whisper.tokenization_whisper import LANGUAGES

from finetune.data import Field
from finetune.errors import UserError
from finetune.recipe import Recipe, Translation
from finetune.tasks.mask_columns import data_fields
from finetune.tasks.text_to_text import TextToTextTask


class TranslationTask(TextToTextTask):
    """Text to text whose columns are named by language."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.pair = cast(Translation, recipe.task)
        _check_prefix(self.pair.prefix)

    @property
    def fields(self) -> tuple[Field, ...]:
        data = self.recipe.data
        # The Hub's translation data sets keep both languages in one nested column.
        nested = "translation." if data.is_of_hub else ""
        return (
            Field("source", "text", data.columns.source or nested + self.pair.source),
            Field("target", "text", data.columns.target or nested + self.pair.target),
            *data_fields(self.program, by_word=False),
        )

    @property
    def prefix(self) -> str:
        return self.config.prefix.format(source=_name(self.pair.source), target=_name(self.pair.target))


def _check_prefix(prefix: str) -> None:
    """Refuse a prefix that cannot be filled in.

    Raises:
        UserError: It holds a brace alone, or something else in braces than source and target.
    """
    try:
        parts = list(Formatter().parse(prefix))
    except ValueError as error:
        raise _wrong_prefix(prefix, str(error)) from None
    for _, name, options, conversion in parts:
        if name is not None and (name not in ("source", "target") or options or conversion):
            raise _wrong_prefix(prefix, f"{{{name}}}")


def _wrong_prefix(prefix: str, found: str) -> UserError:
    return UserError(
        "the prefix holds braces that cannot be filled in",
        where=f"task.prefix={prefix}",
        expected="{source} and {target}, which stand for the languages, and no others",
        found=found,
        fix="write {{ and }} for braces that are text",
    )


def _name(language: str) -> str:
    """`German` for `de`; a code that is not known stands for itself."""
    return LANGUAGES.get(language, language).title()
