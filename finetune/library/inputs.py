"""Conversion of inputs in memory to the rows that a model reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas

from finetune.data import Field
from finetune.data.messages import SHOWN, plural
from finetune.errors import UserError
from finetune.serve import BadRow, Predictor
from finetune.serve.examples import InputRow, read_example
from finetune.serve.predictions import FormattedPrediction

_FORMS = {
    "text": 'texts: ["It works."]',
    "pair": 'pairs of texts: [("It works.", "It does.")]',
    "words": 'lists of words, or texts with spaces between words: [["It", "works"]]',
    "rows": 'rows with these columns: [{"text": "It works.", ...}]',
}


def predict(predictor: Predictor, inputs: Iterable[Any]) -> list[FormattedPrediction]:
    """Return the prediction for each input, in the order of the inputs.

    Args:
        predictor: The predictor of a loaded model.
        inputs: Texts, pairs of texts or lists of words, as the task reads them; or rows, as mappings or a DataFrame.

    Raises:
        UserError: The inputs do not have the form that the task reads, or some of them cannot be read.
    """
    rows = [InputRow(number, one, unit="row") for number, one in enumerate(to_rows(inputs, predictor.fields))]
    read = [read_example(row, predictor.fields, "utf-8") for row in rows]
    _refuse([(row.number, one) for row, one in zip(rows, read, strict=True) if isinstance(one, BadRow)])
    answers = predictor.predict([one for one in read if not isinstance(one, BadRow)])
    _refuse([(number, one) for number, one in enumerate(answers) if isinstance(one, BadRow)])
    return [one for one in answers if not isinstance(one, BadRow)]


def _refuse(problems: Sequence[tuple[int, BadRow]]) -> None:
    if not problems:
        return
    shown = "; ".join(f"input {number}: {problem.reason}" for number, problem in problems[:SHOWN])
    raise UserError(
        f"{plural(len(problems), 'input')} cannot be read",
        where="inputs (counted from 0)",
        found=shown + ("; ..." if len(problems) > SHOWN else ""),
        fix="leave them out, or correct them",
    )


def to_rows(inputs: Iterable[Any], fields: Sequence[Field]) -> list[Mapping[str, Any]]:
    """Return inputs as rows, with the columns that the task reads.

    Args:
        inputs: Texts, pairs of texts or lists of words, as the task reads them; or rows, as mappings or a DataFrame.
        fields: The fields that the task reads from a row.

    Raises:
        UserError: The inputs do not have the form that the task reads.
    """
    if isinstance(inputs, pandas.DataFrame):
        return [{str(name): value for name, value in row.items()} for row in inputs.to_dict("records")]
    form = _form(fields)
    if isinstance(inputs, str | bytes | Mapping) or not isinstance(inputs, Iterable):
        fix = f"predict([{inputs!r:.40}])" if isinstance(inputs, str | Mapping) else None
        raise _wrong_form("the inputs are not a list", form, fields, inputs, None, fix)
    return [_row(number, one, form, fields) for number, one in enumerate(inputs)]


def _form(fields: Sequence[Field]) -> str:
    kinds = [field.kind for field in fields]
    return {("text",): "text", ("text", "text"): "pair", ("words",): "words"}.get(tuple(kinds), "rows")


def _row(number: int, given: Any, form: str, fields: Sequence[Field]) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    is_text, is_list = isinstance(given, str), isinstance(given, list | tuple)
    texts = list(given) if is_list and all(isinstance(one, str) for one in given) else None
    if (form == "text" and is_text) or (form == "words" and (is_text or texts is not None)):
        return {fields[0].column: given if is_text else texts}
    if form == "pair" and texts is not None and len(texts) == 2:
        return {field.column: text for field, text in zip(fields, texts, strict=True)}
    raise _wrong_form("an input does not have the form that the model reads", form, fields, given, number, None)


def _wrong_form(
    problem: str, form: str, fields: Sequence[Field], given: Any, number: int | None, fix: str | None
) -> UserError:
    columns = f" (columns {', '.join(field.column for field in fields)})" if form == "rows" else ""
    return UserError(
        problem,
        where="inputs" if number is None else f"input {number} (counted from 0)",
        expected=_FORMS[form] + columns,
        found=f"{type(given).__name__}: {given!r:.60}",
        fix=fix,
    )
