"""`evaluate`, which scores a trained model on other data."""

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pyarrow.parquet as pq

from finetune import log
from finetune.errors import UserError
from finetune.library.finished import FinishedRun
from finetune.library.in_memory import InMemory, tables_of, to_table
from finetune.library.loaded import LoadedModel
from finetune.library.overrides import Overrides, flatten
from finetune.serve.evaluation import ModelEvaluation, evaluate_model
from finetune.serve.evaluation_data import SplitName

_NAME = "data in memory"


def evaluate(
    model: str | Path | FinishedRun | LoadedModel,
    data: InMemory | str | Path | None = None,
    overrides: Overrides = None,
    *,
    split: SplitName | None = None,
    task: str | None = None,
    output: str | Path | None = None,
) -> ModelEvaluation:
    """Score a trained model on data, as a run scores its own model on its test split.

        finetune.evaluate(run, data="reviews_2026.csv").scores
        finetune.evaluate("user/name", data=frame, output="evaluations/name")
        finetune.evaluate(run, overrides={"data.name": "stanfordnlp/imdb"}, split="test").intervals
        finetune.evaluate(run, split="dev")                              # on a split of its own data

    Args:
        model: A finished run, a loaded model, the folder of a run or of a model, or a name on the Hub.
        data: A file, a folder that holds splits, or rows: a DataFrame, a datasets.Dataset, or a list of dictionaries;
            or a dictionary of these by split. None means the data that the overrides name, or else those that the
            model was trained on.
        overrides: Values of keys of the recipe that have a meaning for a trained model, such as `data.columns.text`,
            `data.name` and `evaluation.metrics`.
        split: `train`, `dev` or `test`; None is test, or all rows where the data is a file or one table.
        task: The task of a model without a recipe whose class does not tell it.
        output: A new folder for the scores and the predictions, which `finetune.compare` reads; None writes nothing.

    Returns:
        The scores with their intervals, and the predictions.

    Raises:
        UserError: The model or the data cannot be loaded, they do not go together, or the folder is there.
    """
    is_memory = data is not None and not isinstance(data, str | Path)
    with log.shown(), tempfile.TemporaryDirectory() if is_memory else nullcontext("") as scratch:
        path = None if data is None else str(data)
        if is_memory:
            path = str(_written(data, split, Path(scratch)))
        return evaluate_model(
            _name(model),
            path,
            None if is_memory else split,
            kind=task,
            overrides=flatten(overrides),
            output=None if output is None else Path(output).expanduser(),
            data=_NAME if is_memory else None,
        )


def _name(model: str | Path | FinishedRun | LoadedModel) -> str:
    """Return the name by which a model is found."""
    if isinstance(model, FinishedRun):
        return str(model.folder)
    return model.name if isinstance(model, LoadedModel) else str(model)


def _written(data: InMemory, split: SplitName | None, folder: Path) -> Path:
    """Write rows to a file, and return its path.

    Raises:
        UserError: The data has an unsupported type or does not have the split, or one table is given with a split.
    """
    if isinstance(data, Mapping):
        tables = tables_of(data, needs_train=False)
        chosen = split or "test"
        if chosen not in tables:
            raise UserError(
                f"the data have no {chosen} split", where="split", found=", ".join(tables) or "an empty dict"
            )
        table = tables[chosen]
    elif split is not None:
        raise UserError(
            "one table is one split, and all of its rows are scored", where=f"split={split!r}", fix="leave split out"
        )
    else:
        table = to_table(data, "data")
    path = folder / f"{_NAME}.parquet"
    pq.write_table(table, path)
    return path
