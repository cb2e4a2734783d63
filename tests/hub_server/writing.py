"""What can be written to a Hub: new repositories, large files, and commits."""

from __future__ import annotations

import base64
import json
import re

import yaml

from tests.hub_server.handler import Handler, Refusal
from tests.hub_server.repositories import LFS_SUFFIXES, File, Kind


def create_repository(handler: Handler) -> None:
    asked = json.loads(handler.body)
    kind: Kind = "datasets" if asked.get("type") == "dataset" else "models"
    user = handler.user
    owner = asked.get("organization") or (user.name if user else "")
    handler.check_writes(owner)
    name = f"{owner}/{asked['name']}"
    address = {"url": f"{handler.hub.endpoint}/{'datasets/' if kind == 'datasets' else ''}{name}"}
    if (kind, name) in handler.hub.repositories:
        handler.send_json({"error": "You already created this model repo", **address}, status=409)
        return
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    handler.hub.create(kind, name, private=private)
    handler.send_json(address)


def check_card(handler: Handler) -> None:
    """As far as the Hub's checks of a card's header are known: YAML, with lists and texts where they belong."""
    content = json.loads(handler.body)["content"]
    match = re.match(r"---\r?\n(.*?)\r?\n---", content, re.DOTALL)
    try:
        header = yaml.safe_load(match[1]) if match else {}
    except yaml.YAMLError as error:
        handler.send_json({"errors": [{"message": str(error)}], "warnings": []}, status=400)
        return
    texts = ("pipeline_tag", "library_name")
    wrong = [key for key in texts if not isinstance(header.get(key, ""), str)]
    wrong += [key for key in ("tags", "datasets", "metrics") if not isinstance(header.get(key, []), list)]
    errors = [{"message": f'"{key}" has the wrong type'} for key in wrong]
    handler.send_json({"errors": errors, "warnings": []}, status=400 if errors else 200)


def choose_uploads(handler: Handler, kind: Kind, name: str, revision: str) -> None:
    repository = handler.writable(kind, name)
    files = handler.revision(repository, revision).files
    answers = []
    for asked in json.loads(handler.body)["files"]:
        path = asked["path"]
        mode = "lfs" if path.endswith(LFS_SUFFIXES) else "regular"
        known = {"oid": files[path].etag} if path in files else {}
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **known})
    handler.send_json({"files": answers})


def plan_large_uploads(handler: Handler, kind: Kind, name: str) -> None:
    repository = handler.writable(kind, name)
    objects = []
    for asked in json.loads(handler.body)["objects"]:
        oid = asked["oid"]
        path = f"/lfs/{kind}/{name}/{oid}"
        actions = {
            "upload": {"href": handler.hub.storage + path},
            "verify": {"href": f"{handler.hub.endpoint}{path}/verify"},
        }
        objects.append({"oid": oid, "size": asked["size"]} | ({} if oid in repository.stored else {"actions": actions}))
    handler.send_json({"transfer": "basic", "objects": objects})


def store_large_file(handler: Handler, kind: Kind, name: str, oid: str) -> None:
    if File(handler.body, lfs=True).sha256 != oid:
        raise Refusal(400, message="the content is not what was announced")
    handler.hub.repositories[kind, name].stored[oid] = handler.body
    handler.send(b"")


def verify_large_file(handler: Handler, kind: Kind, name: str, oid: str) -> None:
    stored, asked = handler.writable(kind, name).stored, json.loads(handler.body)
    if oid not in stored or len(stored[oid]) != asked["size"]:
        raise Refusal(404, message="no such object")
    handler.send_json({})


def add_commit(handler: Handler, kind: Kind, name: str, revision: str) -> None:
    repository = handler.writable(kind, name)
    handler.revision(repository, revision)
    lines = [json.loads(line) for line in handler.body.splitlines()]
    title, added, deleted = "", {}, set()
    for line in lines:
        key, value = line["key"], line["value"]
        if key == "header":
            title = value["summary"]
        elif key == "file":
            added[value["path"]] = File(base64.b64decode(value["content"]), lfs=False)
        elif key == "lfsFile":
            if value["oid"] not in repository.stored:
                raise Refusal(400, message="Your push was rejected because an LFS pointer pointed to a file not there")
            added[value["path"]] = File(repository.stored[value["oid"]], lfs=True)
        elif key == "deletedFile":
            deleted.add(value["path"])
        elif key == "deletedFolder":
            deleted |= {path for path in repository.head.files if path.startswith(value["path"])}
    commit = repository.commit(title, added, frozenset(deleted))
    url = f"{handler.hub.endpoint}/{name}/commit/{commit.id}"
    handler.send_json({"success": True, "commitOid": commit.id, "commitUrl": url, "hookOutput": ""})
