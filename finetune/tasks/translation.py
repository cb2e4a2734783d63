"""Translation: a text in one language from a text in another."""

from typing import cast

from transformers.models.whisper.tokenization_whisper import LANGUAGES

from finetune.data import Field
from finetune.recipe import Recipe, Translation
from finetune.tasks.mask_columns import data_fields
from finetune.tasks.text_to_text import TextToTextTask


class TranslationTask(TextToTextTask):
    """Text to text whose columns are named by language."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.pair = cast(Translation, recipe.task)

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


def _name(language: str) -> str:
    """`German` for `de`; a code that is not known stands for itself."""
    return LANGUAGES.get(language, language).title()
