"""What the docstrings of a recipe's keys and sections say of them."""

import inspect
import re

from finetune.compose.recipe_keys import RecipeKey
from finetune.compose.type_words import choices
from finetune.recipe import TaskSection, task_kinds

_END_OF_SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Za-z`])")


def description_of(key: RecipeKey) -> str:
    """Return the docstring of a key as one line; that of the section where the key has none."""
    for section in key.section.__mro__:
        field = getattr(section, "model_fields", {}).get(key.name.rpartition(".")[2])
        if field is not None and field.description:
            return one_line(field.description)
    return one_line(inspect.getdoc(key.sections[0]) or "") if key.sections else ""


def first_sentence(text: str) -> str:
    """Return the first sentence of a text."""
    return _END_OF_SENTENCE.split(text, maxsplit=1)[0]


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


def is_kind_of_task(key: RecipeKey) -> bool:
    """Return whether a key chooses the task, and with it the other keys of its section."""
    return issubclass(key.section, TaskSection) and key.name.endswith(".kind")


def choices_of(key: RecipeKey) -> str:
    """Return the choices of a key, separated by commas; an empty text where a key has none to choose from."""
    found = task_kinds() if is_kind_of_task(key) else choices(key.annotation)
    return ", ".join(map(str, found)) if len(found) > 1 else ""
