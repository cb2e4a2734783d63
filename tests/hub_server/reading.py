"""What can be read of a Hub: what there is of a repository, and its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.hub_server.handler import Handler, Refusal
from tests.hub_server.repositories import Commit, Kind, Repository


def send_info(handler: Handler, kind: Kind, name: str, revision: str | None = None) -> None:
    repository = handler.readable(kind, name)
    commit = handler.revision(repository, revision or "main")
    handler.send_json(
        {
            "_id": "0" * 24,
            "id": name,
            "author": repository.owner,
            "sha": commit.id,
            "private": repository.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        }
    )


def send_tree(handler: Handler, kind: Kind, name: str, rest: str) -> None:
    repository = handler.readable(kind, name)
    commit, folder = split_revision(handler, repository, rest)
    recursive = parse_qs(urlsplit(handler.path).query).get("recursive", ["false"])[0].lower() in ("true", "1")
    entries = listing(commit, folder, recursive)
    if folder and not entries:
        raise Refusal(404, "EntryNotFound", f"{folder} does not exist on {rest!r}")
    handler.send_json(entries)


def split_revision(handler: Handler, repository: Repository, rest: str) -> tuple[Commit, str]:
    """A revision, whose name may hold slashes, and the path after it."""
    for revision, commit in repository.revisions.items():
        if rest == revision or rest.startswith(revision + "/"):
            return commit, rest.removeprefix(revision).strip("/")
    raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {rest.split('/')[0]}")


def listing(commit: Commit, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """The files and folders of a folder."""
    prefix = f"{folder}/" if folder else ""
    inside = [path for path in commit.files if path.startswith(prefix)]
    parents = {
        prefix + "/".join(path.removeprefix(prefix).split("/")[:depth])
        for path in inside
        for depth in range(1, path.removeprefix(prefix).count("/") + 1)
    }
    paths = {path for path in (*inside, *parents) if recursive or "/" not in path.removeprefix(prefix)}
    return [entry(commit, path) for path in sorted(paths)]


def entry(commit: Commit, path: str) -> dict[str, Any]:
    """A file or folder as listings have it."""
    file = commit.files.get(path)
    if file is None:
        return {"type": "directory", "oid": "0" * 40, "size": 0, "path": path}
    lfs = {"lfs": {"oid": file.sha256, "size": len(file.content), "pointerSize": 134}} if file.lfs else {}
    return {"type": "file", "oid": file.oid, "size": len(file.content), "path": path, **lfs}


def send_paths_info(handler: Handler, kind: Kind, name: str, revision: str) -> None:
    commit = handler.revision(handler.readable(kind, name), revision)
    asked = json.loads(handler.body) if handler.headers.get("Content-Type", "").startswith("application/json") else None
    paths = asked["paths"] if asked else parse_qs(handler.body.decode()).get("paths", [])
    known = [path for path in paths if path in commit.files or listing(commit, path, recursive=False)]
    handler.send_json([entry(commit, path) for path in known])


def send_refs(handler: Handler, kind: Kind, name: str) -> None:
    repository = handler.readable(kind, name)
    branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head.id}
    converts = [
        {"name": name.rpartition("/")[2], "ref": name, "targetCommit": commit.id}
        for name, commit in repository.refs.items()
    ]
    handler.send_json({"branches": [branch], "converts": converts, "tags": []})


def send_commits(handler: Handler, kind: Kind, name: str, revision: str) -> None:
    repository = handler.readable(kind, name)
    handler.revision(repository, revision)
    handler.send_json(
        [
            {"id": commit.id, "title": commit.title, "message": "", "authors": [], "date": "2024-01-01T00:00:00.000Z"}
            for commit in reversed(repository.history)
        ]
    )


def send_file(handler: Handler, kind: Kind, name: str, rest: str) -> None:
    repository = handler.readable(kind, name)
    commit, path = split_revision(handler, repository, rest)
    file = commit.files.get(path)
    headers = {"X-Repo-Commit": commit.id}
    if file is None:
        raise Refusal(404, "EntryNotFound", "Entry not found", headers)
    if file.lfs:
        location = f"{handler.hub.storage}/lfs/{kind}/{name}/{file.sha256}"
        linked = {"X-Linked-Size": str(len(file.content)), "X-Linked-ETag": f'"{file.sha256}"'}
        handler.send(b"", 302, {**headers, **linked, "Location": location})
    else:
        send_content(handler, file.content, {**headers, "ETag": f'"{file.etag}"'})


def send_large_file(handler: Handler, kind: Kind, name: str, oid: str) -> None:
    """Large files have addresses that are told to those alone who may read them, and ask for no token."""
    content = handler.hub.repositories[kind, name].stored.get(oid)
    if content is None:
        raise Refusal(404, message="no such object")
    send_content(handler, content, {"ETag": f'"{oid}"'})


def send_content(handler: Handler, content: bytes, headers: Mapping[str, str]) -> None:
    """A file, or the range of it that is asked for."""
    headers = {**headers, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range") or "")
    if match is None:
        handler.send(content, headers=headers)
        return
    first, last = int(match[1]), min(int(match[2] or len(content)), len(content) - 1)
    if first >= len(content):
        raise Refusal(416, message="the range is beyond the end")
    span = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
    handler.send(content[first : last + 1], 206, {**headers, **span})
