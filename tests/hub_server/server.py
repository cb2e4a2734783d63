"""The Hub's interface over HTTP, as far as huggingface_hub, datasets and transformers ask for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from tests.hub_server import reading, writing
from tests.hub_server.handler import Handler, Refusal, Route
from tests.hub_server.hub import Hub

REPOSITORY = r"(?P<name>[^/]+/[^/]+)"
API = r"/api/(?P<kind>models|datasets)/" + REPOSITORY
FILES = r"(?P<datasets>/datasets)?/" + REPOSITORY


def answer_root(handler: Handler) -> None:
    handler.send(b"")


def answer_whoami(handler: Handler) -> None:
    user = handler.user
    if user is None:
        raise Refusal(401, message="Invalid username or password.")
    role = "write" if user.writes else "read"
    handler.send_json(
        {"type": "user", "name": user.name, "orgs": [], "auth": {"accessToken": {"displayName": "tests", "role": role}}}
    )


GET, READ, POST, PUT = ("GET",), ("GET", "HEAD"), ("POST",), ("PUT",)
LARGE = r"/lfs/(?P<kind>models|datasets)/" + REPOSITORY + r"/(?P<oid>[0-9a-f]{64})"

ROUTES: tuple[Route, ...] = (
    (READ, "/", answer_root),
    (GET, "/api/whoami-v2", answer_whoami),
    (POST, "/api/repos/create", writing.create_repository),
    (POST, "/api/validate-yaml", writing.check_card),
    (GET, API, reading.send_info),
    (GET, API + r"/revision/(?P<revision>.+)", reading.send_info),
    (GET, API + r"/tree/(?P<rest>.+)", reading.send_tree),
    (POST, API + r"/paths-info/(?P<revision>.+)", reading.send_paths_info),
    (GET, API + r"/refs", reading.send_refs),
    (GET, API + r"/commits/(?P<revision>.+)", reading.send_commits),
    (POST, API + r"/preupload/(?P<revision>.+)", writing.choose_uploads),
    (POST, API + r"/commit/(?P<revision>.+)", writing.add_commit),
    (POST, FILES + r"\.git/info/lfs/objects/batch", writing.plan_large_uploads),
    (READ, FILES + r"/resolve/(?P<rest>.+)", reading.send_file),
    (READ, LARGE, reading.send_large_file),
    (PUT, LARGE, writing.store_large_file),
    (POST, LARGE + "/verify", writing.verify_large_file),
)


@contextmanager
def serve() -> Iterator[Hub]:
    """A Hub on this machine for the time of the block."""
    hub = Hub()
    handler = type("HubHandler", (Handler,), {"hub": hub, "routes": ROUTES})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield hub
        server.shutdown()
        thread.join()
