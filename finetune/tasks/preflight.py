"""Checks of a recipe that need neither torch nor transformers, so that mistakes are reported within a second or two."""

from finetune.data.first_rows import check_first_rows
from finetune.recipe import Recipe
from finetune.tasks.fields import early_fields


def check_early(recipe: Recipe) -> None:
    """Check that local files are there and have the columns that the recipe's task reads.

    A run that is resumed is not checked: it may have only to be published, for which its data are not needed.

    Raises:
        UserError: A file or a column is missing, or a file cannot be read.
    """
    if recipe.resume is not None:
        return
    fields = early_fields(recipe)
    if fields:
        check_first_rows(recipe.data, fields)
