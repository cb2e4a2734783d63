"""What a model is named by: a run, a folder, or a name on the Hub."""

import shutil
from pathlib import Path

import pytest

from finetune import compose
from finetune.errors import UserError, UserErrors
from finetune.serve import Input, Output, Summary, predict_file
from finetune.serve.model_location import check_overrides, find_model
from tests.hub_server.fixtures import hub as hub
from tests.hub_server.hub import Hub
from tests.serve.conftest import Finished, Predict, held_out, read_jsonl


def test_a_run_its_model_and_its_checkpoints_know_the_recipe(finished: Finished) -> None:
    run = finished("text_classification", "bert")
    checkpoint = next((run / "checkpoints").glob("*/config.json")).parent
    whole, model, early = (find_model(str(folder)).recipe for folder in (run, run / "model", checkpoint))
    assert whole is not None
    assert whole == early
    assert model is not None, "it has a recipe of its own, without folders"
    assert model.model_copy(update={"output_dir": whole.output_dir, "data": whole.data}) == whole


def test_a_models_folder_alone_reads_inputs_as_the_run_does(finished: Finished, tmp_path: Path) -> None:
    words = ["great", "awful", "fine", "dull"] * 6
    rows = [f"{'gut' if number % 2 == 0 else 'schlecht'};so ein {word} f\xe4lm" for number, word in enumerate(words)]
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.csv").write_bytes("\n".join(["urteil;satz", *rows]).encode("cp1252"))
    read_so = {"delimiter": ";", "encoding": "cp1252", "columns.text": "satz", "columns.label": "urteil"}
    keys = {"data.path": str(tmp_path), **{f"data.{key}": value for key, value in read_so.items()}}
    run = finished("text_classification", "bert", **keys, **{"task.max_length": 5})
    alone = tmp_path / "handed" / "over"
    shutil.copytree(run / "model", alone)
    new = tmp_path / "new.csv"
    new.write_bytes("satz\nso ein great f\xe4lm, der l\xe4uft und l\xe4uft\n".encode("cp1252"))
    given = [
        predict_file(str(folder), Input(new), Output(tmp_path / f"{folder.name}.csv"), scores=True)
        for folder in (run, alone)
    ]
    assert given[0] == given[1] == Summary(1, 0)
    assert (tmp_path / f"{run.name}.csv").read_bytes() == (tmp_path / "over.csv").read_bytes()
    recipe = find_model(str(alone)).recipe
    assert recipe is not None
    assert recipe.task == compose.load_recipe(str(run / "recipe.yaml")).task
    assert (recipe.data.delimiter, recipe.data.encoding) == (";", "cp1252")
    assert recipe.data.columns.text == "satz"
    assert str(tmp_path) not in (alone / "recipe.yaml").read_text()


def test_folders_without_a_model(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        find_model(str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds no model"):
        find_model(str(tmp_path))
    run = finished("text_classification", "bert")
    with pytest.raises(UserError, match="holds no model") as caught:
        find_model(str(run.parent))
    assert f"did you mean {run}?" in str(caught.value)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished, ignore=shutil.ignore_patterns("model"))
    with pytest.raises(UserError, match="has not finished") as caught:
        find_model(str(unfinished))
    assert "checkpoints" in str(caught.value)


def test_a_published_run_answers_by_its_name(finished: Finished, predict: Predict, hub: Hub) -> None:
    run = finished("text_classification", "bert")
    files = {path.name: path.read_bytes() for path in (run / "model").iterdir()}
    hub.create("models", "ada/films").put(files | {"recipe.yaml": (run / "recipe.yaml").read_bytes()})
    expected = [record["prediction"] for record in read_jsonl(run / "predictions_test.jsonl")]
    assert [answer["prediction"] for answer in predict("ada/films", held_out(run))] == expected
    with pytest.raises(UserError, match="ada/nothing"):
        predict("ada/nothing", held_out(run))


def test_a_recipe_beside_a_model_that_grows_without_end_is_refused_at_once(
    finished: Finished, predict: Predict, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished("text_classification", "bert"), folder)
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    (folder / "recipe.yaml").write_text("\n".join(["a0: &a0 [x]", *levels]))
    with pytest.raises(UserError, match="its aliases"):
        predict(folder, [{"text": "a"}])


def test_keys_without_a_meaning_for_a_trained_model_are_refused_together() -> None:
    check_overrides({"data.columns.text": "review", "task.max_length": 8, "training.precision": "fp32"})
    with pytest.raises(UserErrors) as caught:
        check_overrides({"training.epochs": 1, "task.kind": "text_to_text", "task.max_length": 8})
    assert [error.problem for error in caught.value.errors] == [
        "training.epochs has no meaning for a trained model",
        "task.kind has no meaning for a trained model",
    ]
