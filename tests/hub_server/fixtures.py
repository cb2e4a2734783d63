"""Fixtures: a Hub on this machine, for tests in this process and for commands of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import datasets.config
import pytest
import transformers.utils.hub
from huggingface_hub import constants

from tests.hub_server.hub import Hub, User
from tests.hub_server.server import serve

FILE = "/{repo_id}/resolve/{revision}/{filename}"
TOKEN, READ_TOKEN, OTHER_TOKEN = "hf_ada_secret", "hf_ada_readonly", "hf_emmy_secret"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that the libraries in this process use, with an empty cache, and with nobody logged in."""
    with serve() as local:
        local.users = {TOKEN: User("ada"), READ_TOKEN: User("ada", writes=False), OTHER_TOKEN: User("emmy")}
        monkeypatch.setattr(constants, "ENDPOINT", local.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", local.endpoint + FILE)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", local.endpoint)
        monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # made once, for the Hub of that time
        yield local


def environment(hub: Hub, home: Path, token: str | None = None) -> dict[str, str]:
    """The environment of a command that uses the Hub, with a cache of its own."""
    own = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return os.environ | own | ({} if token is None else {"HF_TOKEN": token})
