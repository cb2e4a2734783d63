"""`predict` predicts rows that a program has in memory."""

from collections.abc import Iterable, Mapping
from typing import Any

from finetune.data.files.bad_rows import BadRow
from finetune.serve.examples import InputRow, read_example
from finetune.serve.loading import find_recipe, load_predictor
from finetune.serve.predictions import FormattedPrediction
from finetune.serve.writing import ERROR


def predict(
    name: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    kind: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    scores: bool = False,
) -> list[FormattedPrediction]:
    """Return the predictions of rows, in the order of the rows.

    Columns that masks read, such as sentence numbers, are made from the texts as in training.

    Args:
        name: The model: the folder of a run, of a run's model or checkpoint, or of any model; or a name on the Hub.
        rows: Mappings from the names of the columns that the model was trained on to values: `{"text": "It works."}`.
        kind: The task; needed only if neither a recipe nor the model's class says what the model was trained for.
        overrides: Other values of keys of the model's recipe, such as `data.columns.text`.
        scores: Whether predictions have probabilities or other scores.

    Returns:
        A mapping for each row with the key `prediction` and those that the task adds, as `finetune predict` writes it
        to JSON lines. If a row cannot be read, `prediction` is None and `error` says why.

    Raises:
        UserError: The model cannot be found or loaded.
    """
    predictor = load_predictor(*find_recipe(name, kind, overrides), scores=scores)
    read = [read_example(InputRow(number, row), predictor.fields, "utf-8") for number, row in enumerate(rows)]
    answers = iter(predictor.predict([one for one in read if not isinstance(one, BadRow)]))
    found = [one if isinstance(one, BadRow) else next(answers) for one in read]
    blank = predictor.answers.blank
    return [{**blank, ERROR: one.reason} if isinstance(one, BadRow) else one for one in found]
