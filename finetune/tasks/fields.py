"""The fields that each task reads of an example.

This module needs neither torch nor transformers, so that a wrong column can be reported before they are imported.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from finetune.data.fields import Field, FieldKind
from finetune.errors import UserError
from finetune.recipe import Recipe, TextClassification, Translation
from finetune.tasks.mask_fields import data_fields

LABEL_KINDS: Mapping[str, FieldKind] = {
    "auto": "label",
    "single_label": "label",
    "multi_label": "label_list",
    "regression": "number",
}
"""What the label column holds, by the problem type of the recipe. With auto, the data determine it later."""


def early_fields(recipe: Recipe) -> tuple[Field, ...]:
    """Return the fields that a recipe's task reads; empty for a task that can tell them only after heavy imports.

    Raises:
        UserError: The columns that the recipe names do not go with its task or masks.
    """
    module, _, name = recipe.task.fields_function.partition(":")
    if not name:
        return ()
    function: Callable[[Recipe], tuple[Field, ...]] = getattr(importlib.import_module(module), name)
    return function(recipe)


def text_classification(recipe: Recipe) -> tuple[Field, ...]:
    """Return the fields of text classification: the text, the second text of a pair, and the label.

    Raises:
        UserError: Several label columns are named, and the recipe's problem_type allows one class or a number only.
    """
    columns = recipe.data.columns
    pair = () if columns.text_pair is None else (Field("text_pair", "text", columns.text_pair),)
    texts = (Field("text", "text", columns.text), *pair)
    return (*texts, label_field(recipe), *_of_masks(recipe, texts))


def label_field(recipe: Recipe) -> Field:
    """Return the field of the labels of text classification.

    Raises:
        UserError: Several label columns are named, and the recipe's problem_type allows one class or a number only.
    """
    task = cast(TextClassification, recipe.task)
    column, problem = recipe.data.columns.label, task.problem_type
    if isinstance(column, str):
        return Field("label", LABEL_KINDS[problem], column, problem == "auto", task.label_separator)
    if problem not in ("auto", "multi_label"):
        raise UserError(
            "several label columns make a multi-label problem",
            where=f"task.problem_type={problem}",
            found=f"data.columns.label=[{', '.join(column)}]",
            fix="task.problem_type=multi_label, or name one column",
        )
    return Field("label", "label_list", ", ".join(column), flag_columns=column)


def token_classification(recipe: Recipe) -> tuple[Field, ...]:
    """Return the fields of token classification: the words and their labels."""
    columns = recipe.data.columns
    words = (Field("tokens", "words", columns.tokens), Field("labels", "word_labels", columns.labels))
    return (*words, *data_fields(recipe.attention.program))


def text_to_text(recipe: Recipe) -> tuple[Field, ...]:
    """Return the fields of text to text: the input and the output."""
    return _texts(recipe, "source", "target")


def translation(recipe: Recipe) -> tuple[Field, ...]:
    """Return the fields of translation, whose columns are by default named by the languages."""
    task = cast(Translation, recipe.task)
    # The Hub's translation data sets keep both languages in one nested column.
    nested = "translation." if recipe.data.is_of_hub else ""
    return _texts(recipe, nested + task.source, nested + task.target)


def _texts(recipe: Recipe, source: str, target: str) -> tuple[Field, ...]:
    columns = recipe.data.columns
    texts = (Field("source", "text", columns.source or source), Field("target", "text", columns.target or target))
    return (*texts, *_of_masks(recipe, texts[:1]))


def _of_masks(recipe: Recipe, texts: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields that the masks read, with spans in the texts that the encoder reads."""
    return data_fields(recipe.attention.program, {field.name: field.column for field in texts})
