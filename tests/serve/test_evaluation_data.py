"""The data that a trained model is evaluated on, and refusals of data that do not go with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from finetune.errors import UserError
from finetune.serve import evaluate_model, find_recipe
from finetune.serve.evaluation_data import load_evaluation_data, recipe_of_data
from tests.serve.conftest import Finished, held_out, read_jsonl


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def refused(run: Path, path: str | None = None, **given: Any) -> str:
    with pytest.raises(UserError) as caught:
        evaluate_model(str(run), path, **given)
    return str(caught.value)


def test_classes_that_the_model_does_not_know(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    path = write(tmp_path / "a.jsonl", [{"text": "a film", "label": "good"}, {"text": "the film", "label": "godo"}])
    message = refused(run, path)
    assert "'godo'" in message
    assert "not in the classes of the model" in message
    assert "line 2" in message
    assert "data.labels" not in message


def test_one_class_is_enough(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    found = evaluate_model(str(run), write(tmp_path / "a.jsonl", [{"text": "a great film", "label": "good"}]))
    assert found.scores["accuracy"] in (0.0, 1.0)
    assert found.intervals == {}
    json.dumps(found.results, allow_nan=False)


def test_numbers_are_places_of_the_classes_of_the_model(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    rows = [{**row, "label": ["bad", "good"].index(row["label"])} for row in read_jsonl(held_out(run))]
    assert evaluate_model(str(run), write(tmp_path / "a.jsonl", rows)).scores == evaluate_model(str(run)).scores


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ('{"body": "a film", "label": "good"}\n', "text"),
        ('{"text": "a film"}\n', "label"),
        ('{"text": "a film", "label": null}\n', "label"),
        ('{"text": "", "label": "good"}\n', "text"),
        ("not json\n", "line 1"),
    ],
)
def test_files_that_cannot_be_scored(finished: Finished, tmp_path: Path, content: str, message: str) -> None:
    run = finished("text_classification", "bert")
    (tmp_path / "a.jsonl").write_text(content)
    assert message in refused(run, str(tmp_path / "a.jsonl"))


def test_no_such_file(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    assert "there is no file" in refused(run, str(tmp_path / "a.jsonl"))


def test_a_file_is_one_split(finished: Finished) -> None:
    run = finished("text_classification", "bert")
    assert "a file is one split" in refused(run, str(held_out(run)), split="dev")


def test_two_places_for_the_data(finished: Finished) -> None:
    run = finished("text_classification", "bert")
    assert "--data and data.name are both given" in refused(run, "a.csv", overrides={"data.name": "owner/name"})


@pytest.mark.parametrize("key", ["data.filter", "data.group_column", "data.test_path"])
def test_the_own_data_are_not_split_in_another_way(finished: Finished, key: str) -> None:
    run = finished("text_classification", "bert")
    assert "would split the data of the training in another way" in refused(run, overrides={key: "a"})


def test_fewer_examples_of_the_own_data(finished: Finished) -> None:
    run = finished("text_classification", "bert")
    assert len(evaluate_model(str(run), overrides={"data.max_test_examples": 5}).records) == 5


def test_a_source_without_the_split(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    path = tmp_path / "mine.py"
    path.write_text(
        "def load(split):\n"
        "    return [{'text': 'a great film', 'label': 'good'}] if split in ('train', 'dev') else None\n"
    )
    given = {"data.function": f"{path}:load"}
    message = refused(run, overrides=given)
    assert "the data have no test split" in message
    assert "--split train" in message
    assert len(evaluate_model(str(run), split="dev", overrides=given).records) == 1


def test_a_run_without_labels_in_its_test_split(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    origin, own = find_recipe(str(run))
    rows = read_jsonl(held_out(run))
    for split in ("train", "dev"):
        write(tmp_path / f"{split}.jsonl", rows)
    write(tmp_path / "test.jsonl", [{"text": row["text"], "label": -1} for row in rows])
    recipe = own.model_copy(update={"data": own.data.model_copy(update={"path": str(tmp_path)})})
    with pytest.raises(UserError, match="the test split has no labels"):
        load_evaluation_data(recipe, AutoConfig.from_pretrained(origin.model), None, is_other=False)


def test_data_of_a_run_that_have_changed(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    origin, own = find_recipe(str(run))
    rows = [{**row, "label": row["label"].upper()} for row in read_jsonl(held_out(run))]
    for split in ("train", "dev", "test"):
        write(tmp_path / f"{split}.jsonl", rows)
    recipe = own.model_copy(update={"data": own.data.model_copy(update={"path": str(tmp_path)})})
    with pytest.raises(UserError, match="classes that the model does not know: BAD, GOOD"):
        load_evaluation_data(recipe, AutoConfig.from_pretrained(origin.model), None, is_other=False)


def test_the_section_of_the_training_does_not_describe_another_file(finished: Finished) -> None:
    origin, own = find_recipe(str(finished("text_classification", "bert")))
    trained = own.data.model_copy(update={"max_test_examples": 3, "format": "jsonl", "encoding": "latin-1"})
    recipe, is_other = recipe_of_data(origin, own.model_copy(update={"data": trained}), "a.csv", {})
    assert is_other
    assert (recipe.data.path, recipe.data.format, recipe.data.max_test_examples) == ("a.csv", None, None)


def test_a_table_without_a_header_is_read_as_the_training_read_its_own(finished: Finished, tmp_path: Path) -> None:
    origin, own = find_recipe(str(finished("text_classification", "bert")))
    trained = own.data.model_copy(update={"column_names": ("label", "text"), "delimiter": ";"})
    (tmp_path / "a.csv").write_text("good;a great film\nbad;a dull film\n")
    own = own.model_copy(update={"data": trained})
    recipe, _ = recipe_of_data(origin, own, str(tmp_path / "a.csv"), {})
    assert (recipe.data.column_names, recipe.data.delimiter) == (("label", "text"), ";")
    data = load_evaluation_data(recipe, AutoConfig.from_pretrained(origin.model), None, is_other=True)
    assert data.loaded.test["text"][:] == ["a great film", "a dull film"]


def test_labels_of_entities_are_read_in_the_scheme_of_the_model(finished: Finished, tmp_path: Path) -> None:
    origin, own = find_recipe(str(finished("token_classification", "bert")))
    config = AutoConfig.from_pretrained(origin.model)
    config.id2label = dict(enumerate(["O", "B-THING", "E-THING", "I-THING", "S-THING"]))
    path = write(tmp_path / "a.jsonl", [{"tokens": ["red", "dog", "a"], "labels": ["B-THING", "I-THING", "O"]}])
    recipe, _ = recipe_of_data(origin, own, path, {})
    data = load_evaluation_data(recipe, config, None, is_other=True)
    assert data.loaded.test["labels"][:] == [["B-THING", "E-THING", "O"]]
