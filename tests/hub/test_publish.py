"""Runs that push themselves, and the command that does it later."""

import re
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

import finetune
from finetune import cli, run
from tests.hub_server import library
from tests.hub_server.fixtures import READ_TOKEN, TOKEN
from tests.hub_server.hub import Hub

SMALL = ["data.max_train_examples=16", "data.max_dev_examples=4", "data.max_test_examples=4", "training.steps=2"]

MASK = "attention.encoder=same(segment) | global_tokens(cls)"


@pytest.fixture(autouse=True)
def stocked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add_bert(hub, "google-bert/bert-base-uncased", lowercase=True)
    library.add_mrpc(hub)
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def train(folder: Path, *words: str) -> int:
    caches = [f"data.cache_dir={folder}/data", f"model.cache_dir={folder}/models"]
    return run.main(["recipe=mrpc", *SMALL, *caches, f"output_dir={folder}/runs", *words])


def the_run(folder: Path) -> Path:
    (found,) = (folder / "runs" / "mrpc").iterdir()
    return found


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["finetune", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_run_pushes_itself_and_its_checkpoints(hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = train(tmp_path, "hub.push=ada/pairs", "hub.every_checkpoint=true", "training.eval_every=1", MASK)
    told = "".join(capfd.readouterr())
    assert status == 0, told
    assert f"pushed: {hub.endpoint}/ada/pairs" in told
    titles = [commit.title for commit in hub.model("ada/pairs").history]
    assert [title.split(":")[0] for title in titles[1:3]] == ["Step 1 in training", "Step 2 in training"]
    assert "Push mrpc" in titles[-1]
    files = hub.model("ada/pairs").head.files
    assert {"recipe.yaml", "results.json", "metrics.jsonl", "masks.png", "finetune_attention.py"} <= files.keys()
    card = ModelCard(files["README.md"].content.decode())
    assert card.data.get("language") == ["en"], "the data set's"
    assert card.data.get("license") == "apache-2.0"
    assert {result.metric_type for result in card.data.get("eval_results")} >= {"accuracy", "f1"}
    pulled = finetune.load("ada/pairs", cache_dir=tmp_path / "empty")
    assert pulled.masks == finetune.load(the_run(tmp_path)).masks
    assert not any(str(tmp_path).encode() in file.content for file in files.values()), "no folders of this machine"
    secrets = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert secrets == []
    assert TOKEN not in told


def test_every_run_has_a_card(tmp_path: Path) -> None:
    assert train(tmp_path) == 0
    card = ModelCard.load(the_run(tmp_path) / "model" / "README.md")
    assert card.data.get("datasets") == ["nyu-mll/glue"]
    result, *_ = card.data.get("eval_results")
    assert (result.dataset_config, result.dataset_split) == ("mrpc", "validation")


def test_who_may_not_push_is_told_before_training(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    assert train(tmp_path, "hub.push=ada/pairs") == 2
    told = "".join(capfd.readouterr())
    assert "cannot be written with this token" in told
    assert "hub.push=null" in told
    assert "epoch" not in told
    assert READ_TOKEN not in told


def test_a_push_that_fails_at_the_end_loses_nothing(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.trouble("/commit/", 500, times=1000)
    assert train(tmp_path, "hub.push=ada/pairs", "hub.every_checkpoint=true") == 2
    told = "".join(capfd.readouterr())
    assert told.count("is not pushed (training continues)") == 1
    (again,) = re.findall(r"; then: finetune (.*)", told)
    hub.faults.clear()
    assert command(monkeypatch, *again.split()) == 0
    assert "model.safetensors" in hub.model("ada/pairs").head.files


def test_mistakes_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "push", str(tmp_path), "pairs") == 2
    assert "'pairs' is not the name of a repository" in capfd.readouterr().err
    assert command(monkeypatch, "push", str(tmp_path), "ada/pairs") == 2
    assert "there is no finished run" in capfd.readouterr().err


def test_mistakes_in_the_recipe(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "hub.push=../pairs") == 2
    assert "is not the name of a repository; write user/name" in capfd.readouterr().err
