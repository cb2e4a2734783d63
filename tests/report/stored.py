"""Folders of finished runs with predictions that a test chooses."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finetune.recipe import Recipe
from finetune.run import run_recipe

Toy = Callable[..., Recipe]


def trained(toy: Toy, kind: str, **overrides: Any) -> Path:
    """Train a tiny model; gives the run folder."""
    recipe = toy(kind, "bert" if kind != "text_to_text" else "t5", train=32, held_out=24, **overrides)
    run_recipe(recipe)
    return max((recipe.output_dir / recipe.name).iterdir())


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions_test.jsonl").read_text().splitlines()]


def copied(folder: Path, name: str, change: Callable[[dict[str, Any]], dict[str, Any]] = lambda line: line) -> Path:
    """Copy a run folder, with each line of its predictions changed."""
    copy = folder.parent / name
    shutil.copytree(folder, copy)
    write(copy, [change(line) for line in lines_of(folder)])
    return copy


def write(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    (folder / "predictions_test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
