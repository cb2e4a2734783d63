"""Only a repository that the user may write is pushed to, and a private one stays private."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi

from finetune.errors import UserError
from finetune.hub import push
from finetune.hub.account import Repository
from tests.hub_server.fixtures import READ_TOKEN, TOKEN
from tests.hub_server.hub import Hub

OURS = Repository("ada/films")


@pytest.mark.usefixtures("ada")
def test_private(hub: Hub, run: Path) -> None:
    push(run, Repository("ada/films", private=True))
    assert hub.model("ada/films").private
    assert HfApi().model_info("ada/films").private


@pytest.mark.usefixtures("ada")
def test_a_public_repository_is_not_taken_for_a_private_one(hub: Hub, run: Path) -> None:
    hub.create("models", "ada/films")
    with pytest.raises(UserError, match="exists and is public"):
        push(run, Repository("ada/films", private=True))
    assert not hub.model("ada/films").head.files


@pytest.mark.parametrize(
    ("token", "name", "told"),
    [
        (None, "ada/films", ["nobody is logged in", "hf auth login"]),
        ("hf_wrong", "ada/films", ["does not know the token", "HF_TOKEN in the environment"]),
        (READ_TOKEN, "ada/films", ["cannot be written", "logged in as ada", "role read"]),
        (TOKEN, "emmy/films", ["cannot be written", "logged in as ada"]),
        (TOKEN, "emmy/secret", ["cannot be written", "logged in as ada"]),
        (TOKEN, "emmy/new", ["cannot be written", "logged in as ada"]),
    ],
    ids=["no token", "wrong", "read-only", "public of another", "private of another", "new of another"],
)
def test_who_may_not(
    hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, name: str, told: list[str]
) -> None:
    hub.create("models", "emmy/films")
    hub.create("models", "emmy/secret", private=True)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError) as caught:
        push(run, Repository(name))
    for part in [*told, f"the trained model is not lost, it is in {run / 'model'}", f"finetune push {run} {name}"]:
        assert part in str(caught.value)
    assert token is None or token not in str(caught.value)
    assert not hub.model("emmy/films").head.files


@pytest.mark.parametrize("name", ["films", "ada/", "/films", "ada/films/more", "ada/the films"])
def test_a_repository_has_an_owner_and_a_name(name: str) -> None:
    with pytest.raises(UserError, match="is not the name of a repository") as caught:
        Repository(name)
    assert caught.value.expected == "user/name"
