"""The Hub on this machine answers the real clients as the Hub does."""

from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub_server.fixtures import OTHER_TOKEN, READ_TOKEN, TOKEN
from tests.hub_server.hub import Hub

LARGE = bytes(range(256)) * 1000


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return HfApi(token=TOKEN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "here" / "inside").mkdir(parents=True)
    (tmp_path / "here" / "README.md").write_text("---\nlicense: mit\n---\n# Model\n")
    (tmp_path / "here" / "inside" / "weights.safetensors").write_bytes(LARGE)
    return tmp_path / "here"


def test_a_folder_comes_back_as_it_was_sent(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo("ada/model")
    sent = api.upload_folder(repo_id="ada/model", folder_path=folder)
    there = Path(snapshot_download("ada/model"))
    assert there.name == sent.oid
    assert (there / "inside" / "weights.safetensors").read_bytes() == LARGE
    assert (there / "README.md").read_text() == (folder / "README.md").read_text()
    assert hub.model("ada/model").head.files["inside/weights.safetensors"].lfs
    again = api.upload_folder(repo_id="ada/model", folder_path=folder)
    assert again.oid == sent.oid, "nothing has changed, so nothing is committed"


def test_listings(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo("ada/model")
    api.upload_folder(repo_id="ada/model", folder_path=folder, commit_message="first")
    api.upload_file(repo_id="ada/model", path_or_fileobj=b"new", path_in_repo="inside/note.txt")
    assert sorted(api.list_repo_files("ada/model")) == ["README.md", "inside/note.txt", "inside/weights.safetensors"]
    assert [entry.path for entry in api.list_repo_tree("ada/model")] == ["README.md", "inside"]
    (known,) = api.get_paths_info("ada/model", ["inside/note.txt", "none"])
    assert known.path == "inside/note.txt"
    assert "first" in [commit.title for commit in api.list_repo_commits("ada/model")]
    assert [branch.name for branch in api.list_repo_refs("ada/model").branches] == ["main"]
    assert api.whoami()["name"] == "ada"


def test_ranges(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo("ada/model")
    api.upload_folder(repo_id="ada/model", folder_path=folder)
    address = f"{hub.endpoint}/ada/model/resolve/main/inside/weights.safetensors"
    answer = httpx2.get(address, headers={"Range": "bytes=10-19"}, follow_redirects=True)
    assert answer.status_code == 206
    assert answer.content == LARGE[10:20]
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(LARGE)}"


def test_a_broken_download_goes_on_where_it_broke(hub: Hub, api: HfApi, folder: Path) -> None:
    api.create_repo("ada/model")
    api.upload_folder(repo_id="ada/model", folder_path=folder)
    hub.trouble("GET /lfs/", "break")
    fetched = hf_hub_download("ada/model", "inside/weights.safetensors")
    assert Path(fetched).read_bytes() == LARGE
    assert sum(request.startswith("GET /lfs/") for request in hub.requests) == 2


def test_private_repositories_are_hidden(hub: Hub, api: HfApi) -> None:
    api.create_repo("ada/secret", private=True)
    assert api.model_info("ada/secret").private
    for token in (False, OTHER_TOKEN):
        with pytest.raises(RepositoryNotFoundError):
            HfApi(token=token).model_info("ada/secret")


def test_what_does_not_exist(hub: Hub, api: HfApi) -> None:
    api.create_repo("ada/model")
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("ada/model", "none.txt")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("ada/model", revision="none")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("ada/none")


@pytest.mark.parametrize(("token", "status"), [("hf_wrong", 401), (READ_TOKEN, 403), (OTHER_TOKEN, 403)])
def test_who_may_not_write(hub: Hub, token: str, status: int) -> None:
    with pytest.raises(HfHubHTTPError) as caught:
        HfApi(token=token).create_repo("ada/model")
    assert caught.value.response.status_code == status


def test_trouble_ends(hub: Hub, api: HfApi) -> None:
    hub.trouble("GET /api/whoami", 500, times=2)
    for _ in range(2):
        with pytest.raises(HfHubHTTPError):
            api.whoami()
    assert api.whoami()["name"] == "ada"
