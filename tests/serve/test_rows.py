"""Rows that a program has in memory."""

from finetune import serve
from tests.serve.conftest import Finished, Predict


def test_rows_get_the_answers_that_files_get(finished: Finished, predict: Predict) -> None:
    run = finished("text_classification", "bert")
    rows = [{"text": "a great film"}, {"text": " "}, {"text": "the awful story"}]
    answers = serve.predict(str(run), rows, scores=True)
    of_file = predict(run, rows, scores=True)
    assert [answer["prediction"] for answer in answers] == [answer["prediction"] for answer in of_file]
    assert answers[1] == {"prediction": None, "probabilities": None, "error": "no text in column 'text'"}
    assert serve.predict(str(run), []) == []
