"""What is said where the Hub cannot give what a recipe names; nothing here leaves this machine."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datasets
import datasets.config
import evaluate
import evaluate.config
import pytest
from huggingface_hub import constants, is_offline_mode
from transformers import AutoConfig, AutoTokenizer

from finetune.errors import UserError
from finetune.hub_access import What, hub_access

Fetch = tuple[What, str, Callable[[str], object]]

MODEL: Fetch = ("model", "model.name", AutoConfig.from_pretrained)
TOKENIZER: Fetch = ("model", "model.name", AutoTokenizer.from_pretrained)
DATA: Fetch = ("data set", "data.name", datasets.load_dataset)
METRIC: Fetch = ("metric", "evaluation.metrics", evaluate.load)

QUICK = 2.0
"""Seconds; the libraries' own retries take 23 and more."""

ANSWERS = {
    "missing": (404, "RepoNotFound"),
    "gated": (403, "GatedRepo"),
    "old": (404, "RevisionNotFound"),
    "private": (401, ""),
    "bare": (404, "EntryNotFound"),
}
"""Status and error code of the answer, by the repository's name."""


class Answers(BaseHTTPRequestHandler):
    """Answers as the Hub does to requests for owner/missing, owner/gated, ..."""

    def do_GET(self) -> None:
        repository = next((name for name in ANSWERS if f"owner/{name}" in self.path), "missing")
        status, code = ANSWERS[repository]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", url)
        monkeypatch.setattr(evaluate.config, "HUB_EVALUATE_URL", url + "/spaces/{path}/resolve/{revision}/{name}")
        yield url
        server.shutdown()


def message(fetch: Fetch, name: str) -> str:
    what, key, load = fetch
    with pytest.raises(UserError) as caught, hub_access(what, name, key):
        load(name)
    text = str(caught.value)
    assert f"where:    {key.partition('.')[0]}." in text, "the recipe's key is named"
    return text


@pytest.mark.parametrize("fetch", [MODEL, TOKENIZER, DATA], ids=["model", "tokenizer", "data set"])
def test_unreachable_hub_is_told_at_once_with_three_ways_on(fetch: Fetch) -> None:
    start = time.monotonic()
    text = message(fetch, "owner/name")
    assert time.monotonic() - start < QUICK
    assert f"the {fetch[0]} owner/name cannot be fetched" in text
    assert f"{constants.ENDPOINT}: " in text
    assert "HF_ENDPOINT=" in text
    assert "data.path=" in text
    assert "recipe=sentiment_sample" in text


def test_unreachable_hub_leads_a_model_to_a_local_folder() -> None:
    assert "model.name=path/to/folder" in message(MODEL, "owner/name")


def test_unreachable_hub_leads_a_metric_to_our_own() -> None:
    assert "evaluation.metrics=null" in message(METRIC, "accuracy")


@pytest.mark.parametrize("fetch", [MODEL, TOKENIZER, DATA, METRIC], ids=["model", "tokenizer", "data set", "metric"])
def test_offline_mode_is_named(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    text = message(fetch, "name")
    assert "HF_HUB_OFFLINE=1" in text
    assert "unset HF_HUB_OFFLINE" in text


def test_malformed_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "mirror.example")
    assert "found:    mirror.example: " in message(DATA, "owner/name")


@pytest.mark.parametrize("fetch", [MODEL, DATA, METRIC], ids=["model", "data set", "metric"])
def test_missing_repository(fetch: Fetch, endpoint: str) -> None:
    text = message(fetch, "owner/missing")
    assert f"there is no {fetch[0]} owner/missing on the Hub, or it is private" in text


@pytest.mark.parametrize("fetch", [MODEL, DATA], ids=["model", "data set"])
def test_gated_repository(fetch: Fetch, endpoint: str) -> None:
    text = message(fetch, "owner/gated")
    assert f"the {fetch[0]} owner/gated is gated" in text
    page = "datasets/owner/gated" if fetch is DATA else "owner/gated"
    assert f"{endpoint}/{page}" in text


@pytest.mark.parametrize("fetch", [MODEL, DATA], ids=["model", "data set"])
def test_missing_revision(fetch: Fetch, endpoint: str) -> None:
    text = message(fetch, "owner/old")
    assert "no such revision" in text
    assert fetch[1].replace("name", "revision") in text


@pytest.mark.parametrize("fetch", [MODEL, DATA], ids=["model", "data set"])
def test_unauthorized(fetch: Fetch, endpoint: str) -> None:
    text = message(fetch, "owner/private")
    assert "401" in text
    assert "hf auth login" in text


def test_repository_without_the_files(endpoint: str) -> None:
    assert "the repository owner/bare on the Hub lacks a file that a data set needs" in message(DATA, "owner/bare")


@pytest.mark.parametrize("name", ["no/such/folder", "./folder", "two words", "~/model"])
def test_name_that_is_neither_a_path_nor_a_hub_name(name: str) -> None:
    assert "neither a file or folder nor the name of a model" in message(MODEL, name)


def test_local_folder_needs_no_hub(tmp_path: Path) -> None:
    with hub_access("model", str(tmp_path), "model.name") as trouble:
        assert trouble is None


def test_block_learns_that_the_hub_is_gone_and_reads_caches_alone() -> None:
    before = datasets.config.HF_HUB_OFFLINE
    with hub_access("metric", "name", "evaluation.metrics") as trouble:
        assert trouble is not None
        assert trouble.startswith(constants.ENDPOINT)
        assert is_offline_mode()
        assert datasets.config.HF_HUB_OFFLINE
        assert evaluate.config.HF_EVALUATE_OFFLINE
    assert not is_offline_mode()
    assert before == datasets.config.HF_HUB_OFFLINE
    assert not evaluate.config.HF_EVALUATE_OFFLINE


@pytest.mark.parametrize("error", [ValueError("ours"), UserError("ours"), KeyError("ours")])
def test_other_exceptions_pass_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, hub_access("model", "owner/name", "model.name"):
        raise error
    assert caught.value is error
    assert not is_offline_mode()
