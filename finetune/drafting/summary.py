"""What `finetune init` prints: what was found, decided and not certain, and the commands to go on with."""

import shlex
from pathlib import Path

from finetune.drafting.draft import Draft
from finetune.drafting.writing import to_yaml


def summary(draft: Draft) -> list[str]:
    """Return what was found and decided, in lines for the screen."""
    decided = [f"  {one.key}: {to_yaml(one.value)}" + (f"  ({one.reason})" if one.reason else "") for one in draft.keys]
    doubts = [f"not certain: {doubt}" for doubt in draft.doubts]
    return [*draft.facts, *decided, *doubts]


def next_commands(path: Path) -> list[str]:
    """Return the commands to go on with, and before them where the recipe is."""
    recipe = shlex.quote(f"recipe={path}")
    return [f"{path} is written; go on with", f"  finetune check {recipe}", f"  finetune run {recipe}"]
