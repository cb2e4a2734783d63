"""The folder of an evaluation: its recipe, its scores and predictions, and what scoring them again needs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from finetune import atomic, compose
from finetune.checkpointing.run_folder import EVALUATION_RECIPE, RESULTS, RunFolder
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks import EvaluationRecord, TaskContext


def check_new(folder: Path) -> None:
    """Raise an error for a folder that is there and not empty: nothing is overwritten.

    Raises:
        UserError: It is there.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise UserError(
            f"{folder} is there already, and is not overwritten",
            where="--output",
            expected="a new folder",
            fix="name another one, or move it away",
        )


def write_evaluation(
    folder: Path,
    recipe: Recipe,
    results: Mapping[str, Any],
    split: str,
    records: Iterable[EvaluationRecord],
    context: TaskContext,
) -> None:
    """Write an evaluation into a new folder, which is there whole or not at all.

    Args:
        folder: The folder.
        recipe: The recipe by which the examples were read and scored.
        results: The content of results.json.
        split: The split, which names the file of predictions.
        records: The examples with the predictions.
        context: The context of the task; its configuration and its tokenizer are written, too.

    Raises:
        UserError: The folder is there and not empty, or it cannot be written.
    """
    check_new(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic.written_aside(folder) as written:
            model = RunFolder(written).model
            model.mkdir(parents=True)
            context.config.save_pretrained(model)
            context.tokenizer.save_pretrained(model)
            (written / EVALUATION_RECIPE).write_text(compose.to_yaml(recipe), encoding="utf-8")
            RunFolder(written).write_predictions(split, records)
            content = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False)
            (written / RESULTS).write_text(content + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"the folder {folder} cannot be written", where="--output", found=error.strerror or str(error)
        ) from error
