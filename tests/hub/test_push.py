"""A run goes out to the Hub, or one clear message says why not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants, snapshot_download
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune import compose
from finetune.errors import UserError
from finetune.hub import check_access, push, push_checkpoint
from finetune.hub.account import Repository
from tests.hub_server.fixtures import TOKEN
from tests.hub_server.hub import Hub

OURS = Repository("ada/films")
EVERYTHING = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "recipe.yaml",
    "results.json",
    "metrics.jsonl",
}


def predictions(source: str | Path, **options: Any) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(source, **options)
    model = AutoModelForSequenceClassification.from_pretrained(source, **options)
    with torch.inference_mode():
        return model(**tokenizer(["good film", "a dull story"], padding=True, return_tensors="pt")).logits  # type: ignore[no-any-return]


@pytest.mark.usefixtures("ada")
def test_pulled_into_an_empty_cache_it_predicts_the_same(hub: Hub, run: Path, tmp_path: Path) -> None:
    address = push(run, OURS)
    assert address == f"{hub.endpoint}/ada/films"
    assert hub.model("ada/films").head.files.keys() >= EVERYTHING
    pulled = predictions("ada/films", cache_dir=tmp_path / "empty")
    assert pulled.equal(predictions(run / "model"))


@pytest.mark.usefixtures("ada")
def test_the_test_splits_texts_stay_at_home(hub: Hub, run: Path) -> None:
    push(run, OURS)
    files = hub.model("ada/films").head.files
    assert not any(path.startswith("predictions") for path in files)
    assert not any(b"of a patient" in file.content for file in files.values())


@pytest.mark.usefixtures("ada")
def test_folders_of_this_machine_stay_at_home(hub: Hub, run: Path, tmp_path: Path) -> None:
    recipe = compose.load_recipe(str(run / "recipe.yaml"))
    local = {"data.path": f"{tmp_path}/films.csv", "output_dir": f"{tmp_path}/runs", "model.name": f"{tmp_path}/bert"}
    (run / "recipe.yaml").write_text(compose.to_yaml(compose.override(recipe, local)))
    changed = {"data.path": {"recipe": None, "run": f"{tmp_path}/films.csv"}}
    (run / "results.json").write_text(json.dumps({"test": {"accuracy": 0.5}, "changed": changed}))
    push(run, OURS)
    files = hub.model("ada/films").head.files
    assert json.loads(files["results.json"].content)["changed"]["data.path"]["run"] == "films.csv"
    (tmp_path / "recipe.yaml").write_bytes(files["recipe.yaml"].content)
    pushed = compose.load_recipe(str(tmp_path / "recipe.yaml"))
    assert (pushed.data.path, pushed.model.name) == ("films.csv", "bert")
    assert pushed.training == recipe.training
    assert not any(str(tmp_path).encode() in file.content for file in files.values())


@pytest.mark.usefixtures("ada")
def test_a_repository_of_ours_gets_a_new_commit(hub: Hub, run: Path) -> None:
    push(run, OURS)
    before = len(hub.model("ada/films").history)
    push(run, OURS)
    assert len(hub.model("ada/films").history) == before, "nothing is new"
    (run / "results.json").write_text("{}")
    push(run, OURS)
    assert len(hub.model("ada/films").history) == before + 1


@pytest.mark.usefixtures("ada")
def test_weights_of_an_earlier_model_do_not_stay(hub: Hub, run: Path) -> None:
    old = {"model-00001-of-00002.safetensors": b"old", "modeling_finetune_masks.py": b"old", "notes.md": b"mine"}
    hub.create("models", "ada/films").put(old)
    push(run, OURS)
    assert {"notes.md", "model.safetensors"} <= hub.model("ada/films").head.files.keys()
    assert old.keys() & hub.model("ada/films").head.files.keys() == {"notes.md"}


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    "request_",
    ["POST /api/repos", "GET /api/models", "/preupload/", "/objects/batch", "PUT /lfs/", "/verify", "/commit/"],
)
@pytest.mark.parametrize("answer", [500, "break"])
def test_trouble_that_passes(hub: Hub, run: Path, request_: str, answer: Any) -> None:
    hub.trouble(request_, answer, times=2)
    push(run, OURS)
    assert hub.model("ada/films").head.files.keys() >= EVERYTHING
    assert all(fault.times == 0 for fault in hub.faults)


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("request_", "answer", "told"),
    [
        ("/commit/", 500, "answers with 500 again and again"),
        ("/commit/", "break", "the connection to the Hub broke"),
        ("PUT /lfs/", "break", "the connection to the Hub broke"),
        ("POST /api/repos", 418, "refuses to take ada/films: 418"),
    ],
)
def test_trouble_that_stays_and_then_goes(hub: Hub, run: Path, request_: str, answer: Any, told: str) -> None:
    hub.trouble(request_, answer, times=1000)
    with pytest.raises(UserError, match=told) as caught:
        push(run, OURS)
    assert f"finetune push {run} ada/films" in str(caught.value)
    hub.faults.clear()
    hub.requests.clear()
    push(run, OURS)
    assert hub.model("ada/films").head.files.keys() >= EVERYTHING
    if request_ == "/commit/":
        assert not any(request.startswith("PUT") for request in hub.requests), "what has arrived is not sent twice"


@pytest.mark.usefixtures("ada")
def test_a_hub_that_is_not_there(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="the connection to the Hub broke"):
        push(run, OURS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="offline mode is on"):
        push(run, OURS)


@pytest.mark.usefixtures("ada")
def test_a_folder_without_a_run(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run"):
        push(tmp_path, OURS)
    assert hub.requests == []


@pytest.mark.usefixtures("ada")
def test_checkpoints_are_commits(hub: Hub, run: Path) -> None:
    check_access(OURS)
    checkpoint = (run / "model").rename(run / "step-1")
    (checkpoint / "state").mkdir()
    (checkpoint / "state" / "optimizer.bin").write_bytes(b"large")
    push_checkpoint(checkpoint, OURS, "step 1: dev accuracy 0.5")
    assert hub.model("ada/films").head.title == "step 1: dev accuracy 0.5"
    assert "model.safetensors" in hub.model("ada/films").head.files
    assert "state/optimizer.bin" not in hub.model("ada/films").head.files


@pytest.mark.usefixtures("ada")
def test_no_token_anywhere(hub: Hub, run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hub.trouble("/commit/", 500)
    push(run, OURS)
    assert TOKEN in hub.tokens
    assert not any(TOKEN.encode() in file.content for file in hub.model("ada/films").head.files.values())
    assert not any(TOKEN.encode() in path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert TOKEN not in "".join(capfd.readouterr())


def test_links_do_not_take_files_from_elsewhere(
    hub: Hub, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    (tmp_path / "elsewhere.txt").write_text("secret")
    (run / "model" / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    push(run, OURS)
    assert "link.txt" not in hub.model("ada/films").head.files
    assert Path(snapshot_download("ada/films")).is_dir()


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("base", ["google-bert/bert-base-uncased", None])
def test_an_adapter_names_its_base_as_others_can_find_it(
    hub: Hub, run: Path, base: str | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if base is None:
        recipe = compose.override(compose.load_recipe(str(run / "recipe.yaml")), {"model.name": str(tmp_path)})
        (run / "recipe.yaml").write_text(compose.to_yaml(recipe))
    (run / "model" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path), "r": 8}))
    push(run, OURS)
    pushed = json.loads(hub.model("ada/films").head.files["adapter_config.json"].content)
    assert pushed == {"base_model_name_or_path": base or tmp_path.name, "r": 8}
    assert ("others cannot load it" in "".join(capfd.readouterr())) == (base is None)
