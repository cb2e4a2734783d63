"""The first lines that a run shows: what is trained on what, under which masks, and what differs from the recipe."""

from collections.abc import Iterator, Mapping

from finetune.recipe import Recipe
from finetune.recipe.changes import Changes


def header(recipe: Recipe, sizes: Mapping[str, int], weights: int, changes: Changes) -> Iterator[str]:
    """Yield the lines.

    Args:
        recipe: The recipe of the run.
        sizes: The number of examples of each split.
        weights: The number of the model's weights.
        changes: What differs from the recipe that was named.
    """
    kind, model = recipe.task.kind.replace("_", " "), recipe.model.description
    yield f"{recipe.name}: {kind} with {model} ({weights / 1e6:.1f} M weights)"
    yield f"  data: {recipe.data.description}"
    yield "  examples: " + ", ".join(f"{size:,} {split}" for split, size in sizes.items())
    yield f"  masks: {recipe.attention.description}"
    yield f"  seed: {recipe.seed}"
    if not changes.listed:
        yield "  changed from the recipe: nothing"
        return
    yield "  changed from the recipe:"
    for change in changes.listed:
        yield f"    {change}"
