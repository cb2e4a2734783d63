"""Predictions of new rows are those of the run, whatever they are read together with."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from finetune.data.features import Features
from finetune.generation import generate
from finetune.serve.loading import find_recipe, load_predictor
from finetune.tasks.labelling import Labelling
from tests.serve.conftest import Finished, Predict, held_out, read_jsonl

RUNS = [
    ("text_classification", "bert"),
    ("text_classification", "t5"),
    ("token_classification", "bert"),
    ("text_to_text", "bert"),
    ("text_to_text", "t5"),
]


@pytest.mark.parametrize(("kind", "architecture"), RUNS)
def test_new_rows_are_predicted_as_the_run_predicted_them(
    finished: Finished, predict: Predict, kind: str, architecture: str
) -> None:
    run = finished(kind, architecture)
    expected = read_jsonl(run / "predictions_test.jsonl")
    given = read_jsonl(held_out(run))
    answers = predict(run, held_out(run), scores=True)
    for answer, record, row in zip(answers, expected, given, strict=True):
        assert answer["prediction"] == record["prediction"]
        assert {name: answer[name] for name in row} == row
        if "probabilities" in record:
            assert answer["probabilities"] == pytest.approx(record["probabilities"], abs=1e-5)


@pytest.mark.parametrize(("kind", "architecture"), RUNS)
def test_references_are_not_needed_and_windows_change_nothing(
    finished: Finished, predict: Predict, kind: str, architecture: str
) -> None:
    run = finished(kind, architecture)
    reference = {"text_classification": "label", "token_classification": "labels", "text_to_text": "target"}[kind]
    rows = [{name: value for name, value in row.items() if name != reference} for row in read_jsonl(held_out(run))]
    together = predict(run, rows, scores=True)
    for window in (1, 5):
        for alone, other in zip(predict(run, rows, scores=True, window=window), together, strict=True):
            assert alone["prediction"] == other["prediction"]
            assert _numbers(alone) == pytest.approx(_numbers(other), abs=1e-5)


def _numbers(value: Any) -> list[float]:
    """All fractions somewhere in an answer."""
    if isinstance(value, dict):
        return [number for one in value.values() for number in _numbers(one)]
    if isinstance(value, list):
        return [number for one in value for number in _numbers(one)]
    return [value] if isinstance(value, float) else []


def test_probabilities_are_of_all_classes(finished: Finished, predict: Predict) -> None:
    run = finished("text_classification", "bert")
    for answer in predict(run, held_out(run), scores=True):
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert answer["prediction"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert "probabilities" not in predict(run, held_out(run))[0]


def test_entities_are_spans_of_words(finished: Finished, predict: Predict) -> None:
    run = finished("token_classification", "bert")
    rows: list[dict[str, Any]] = [
        {"tokens": ["red", "dog", "the"] * 30},
        {"tokens": "a red dog and the cat"},
    ]  # the first in several windows
    answers = predict(run, rows, scores=True)
    for row, answer in zip(rows, answers, strict=True):
        words = given if isinstance(given := row["tokens"], list) else str(given).split()
        assert len(answer["prediction"]) == len(answer["probabilities"]) == len(words)
        spans = [(one["type"], one["start"], one["end"]) for one in answer["entities"]]
        assert spans == Labelling("iob2").read_predicted(answer["prediction"])
        for one in answer["entities"]:
            assert one["text"] == " ".join(words[one["start"] : one["end"]])
            within = answer["probabilities"][one["start"] : one["end"]]
            assert one["probability"] == pytest.approx(sum(within) / len(within))
    assert any(answer["entities"] for answer in answers)


def test_a_texts_score_is_the_mean_of_its_tokens(finished: Finished, predict: Predict) -> None:
    """The written text, given back as a reference, has the loss that its score says."""
    run = finished("text_to_text", "bert")
    rows = [{"source": row["source"]} for row in read_jsonl(held_out(run))[:6]]
    answers = predict(run, rows, scores=True)
    predictor = load_predictor(*find_recipe(str(run)))
    task, context = predictor.task, predictor.context
    targets = [answer["prediction"] for answer in answers]
    split = Dataset.from_dict({"id": range(len(rows)), "source": [row["source"] for row in rows], "target": targets})
    batch = task.collate(Features.of(task.encode_some(split, context))[:], context)
    again = task.predict(predictor.model, batch, context, final=True)
    assert any(targets)
    for prediction, answer in zip(again, answers, strict=True):
        assert -prediction.loss / prediction.num_targets == pytest.approx(answer["mean_log_probability"], abs=1e-4)


def test_beams_can_be_chosen(finished: Finished, predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def noted(*args: Any, **options: Any) -> Any:
        asked.append(options["num_beams"])
        return generate(*args, **options)

    monkeypatch.setattr("finetune.tasks.text_to_text.generate", noted)
    run = finished("text_to_text", "t5")
    predict(run, [{"source": "red dog"}])
    predict(run, [{"source": "red dog"}], overrides={"task.num_beams": 3})
    assert asked == [2, 3]


def test_pairs_and_other_columns(finished: Finished, predict: Predict) -> None:
    run = finished("text_classification", "bert")
    pairs = {"data.columns.text": "a.one", "data.columns.text_pair": "two"}
    rows = [{"a": {"one": "a great film"}, "two": word} for word in ("great", "awful story")]
    first, second = predict(run, rows, overrides=pairs, scores=True)
    assert first["probabilities"] != second["probabilities"]
    assert first["a"] == rows[0]["a"]


def test_an_example_that_cannot_be_encoded_spoils_no_other(finished: Finished, predict: Predict) -> None:
    run = finished("text_classification", "t5")
    rows = [{"text": text} for text in ("a great film", "the end </s> of it", "an awful story", "</s>", "dull")]
    answers = predict(run, rows)
    assert [answer["prediction"] is None for answer in answers] == [False, True, False, True, False]
    assert "line 2: a text holds '</s>'" in answers[1]["error"]
    assert [answer["prediction"] for answer in predict(run, rows[::2])] == [
        answer["prediction"] for answer in answers[::2]
    ]


def test_columns_that_masks_read_are_asked_for(finished: Finished, predict: Predict, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [{"tokens": ["a", "dog"], "labels": ["O", "B-X"], "topic": [0, number % 2]} for number in range(12)]
    for split in ("train", "dev", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    masks = {"attention.encoder": "same(topic)", "data.path": str(folder)}
    run = finished("token_classification", "bert", **masks)
    given = [{"tokens": row["tokens"], "topic": row["topic"]} for row in rows]
    odd = [
        {"tokens": ["a", "dog"], "topic": [0]},
        {"tokens": ["a"], "topic": ["x"]},
        {"tokens": ["a"]},
    ]
    answers = predict(run, given + odd)
    expected = [record["prediction"] for record in read_jsonl(run / "predictions_test.jsonl")]
    assert [answer["prediction"] for answer in answers[: len(given)]] == expected
    reasons = ["another number of entries than of words", "something else than whole numbers", "no column 'topic'"]
    for answer, reason in zip(answers[len(given) :], reasons, strict=True):
        assert reason in answer["error"]


@pytest.mark.parametrize(("labels", "problem"), [(["a", "b"], "multi_label"), (0.5, "regression")])
def test_several_labels_and_numbers(
    finished: Finished, predict: Predict, tmp_path: Path, labels: Any, problem: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [{"text": f"film {number}", "label": labels} for number in range(12)]
    for split in ("train", "dev", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = finished("text_classification", "bert", **{"data.path": str(folder)})
    expected = read_jsonl(run / "predictions_test.jsonl")
    for answer, record in zip(
        predict(run, [{"text": row["text"]} for row in rows], scores=True), expected, strict=True
    ):
        if problem == "regression":
            assert answer["prediction"] == pytest.approx(record["prediction"], abs=1e-5)
            assert math.isfinite(answer["prediction"])
            assert "probabilities" not in answer
        else:
            assert answer["prediction"] == record["prediction"]
            assert answer["probabilities"].keys() == {"a", "b"}
