"""Translation: text to text from one language to another."""

from string import Formatter
from typing import cast

from transformers.models.whisper.tokenization_whisper import LANGUAGES

from finetune.data import Field
from finetune.errors import UserError
from finetune.recipe import Recipe, Translation
from finetune.tasks import fields
from finetune.tasks.text_to_text import TextToTextTask


class TranslationTask(TextToTextTask):
    """Translation, whose columns are by default named by the languages."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.pair = cast(Translation, recipe.task)
        _check_prefix(self.pair.prefix)

    @property
    def fields(self) -> tuple[Field, ...]:
        return fields.translation(self.recipe)

    @property
    def prefix(self) -> str:
        return self.config.prefix.format(source=_name(self.pair.source), target=_name(self.pair.target))


def _check_prefix(prefix: str) -> None:
    """Raise an error where a prefix cannot be filled in.

    Raises:
        UserError: The prefix holds a single brace, or another name in braces than source and target.
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
    """Return the English name of a language by its code: `German` for `de`; of unknown codes the code itself."""
    return LANGUAGES.get(language, language).title()
