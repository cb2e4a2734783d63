"""A Hub on this machine, for tests of what is fetched from one."""

import json
import threading
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import datasets.config
import pytest
from datasets import Dataset
from huggingface_hub import constants

COMMIT = "c0ffee" + "0" * 34
FILE = "/{repo_id}/resolve/{revision}/{filename}"


class LocalHub:
    """Data sets in folders, served as the Hub serves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, splits: dict[str, Dataset], configs: tuple[str, ...] = ("default",)) -> None:
        """Publish a data set; every configuration has the same splits."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        for split, dataset in splits.items():
            dataset.to_parquet(folder / f"{split}.parquet")
        files = [{"split": split, "path": f"{split}.parquet"} for split in splits]
        header = json.dumps({"configs": [{"config_name": config, "data_files": files} for config in configs]})
        (folder / "README.md").write_text(f"---\n{header}\n---\n")

    def add_script(self, name: str) -> None:
        """Publish a data set that a script loads."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        (folder / f"{folder.name}.py").write_text("")
        (folder / "README.md").write_text("")


def handler(hub: LocalHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).strip("/").removeprefix("api/").removeprefix("datasets/")
            name, rest = "/".join(path.split("/")[:2]), path.split("/")[2:]
            folder = hub.folder / name
            files = sorted(file.name for file in folder.iterdir()) if folder.is_dir() and name else []
            if not files:
                self.send("RepoNotFound")
            elif rest[0] == "resolve":
                self.send((folder / rest[2]).read_bytes() if rest[2] in files else "EntryNotFound")
            elif rest[0] == "tree":
                sizes = {file: (folder / file).stat().st_size for file in files}
                self.send([{"type": "file", "path": file, "size": size, "oid": ""} for file, size in sizes.items()])
            else:
                self.send({"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]})

        def do_HEAD(self) -> None:
            self.do_GET()

        def send(self, answer: Any) -> None:
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            missing = isinstance(answer, str)
            self.send_response(404 if missing else 200)
            self.send_header("X-Error-Code" if missing else "X-Repo-Commit", answer if missing else COMMIT)
            self.send_header("ETag", f'"{sha1(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    local = LocalHub(tmp_path / "hub")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(local)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + FILE)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", endpoint)
        yield local
        server.shutdown()
