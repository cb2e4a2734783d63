"""One request: reading it, finding out who asks and what they may see, and sending the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from tests.hub_server.hub import Hub, User
from tests.hub_server.repositories import Commit, Kind, Repository

SECONDS = 60
"""The longest that an answer waits for an event, so that no test waits for ever."""


class Refusal(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.message = status, message
        self.headers = {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})}
        super().__init__(message)


Route = tuple[tuple[str, ...], str, Callable[..., None]]
"""Methods, a pattern of the path whose groups are arguments, and what answers."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: ClassVar[Hub]
    routes: ClassVar[tuple[Route, ...]]
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        fault = next((fault for fault in self.hub.faults if fault.strikes(request)), None)
        self.breaks = fault is not None and fault.answer == "break"
        try:
            self.body = self.read_body()
            if fault is not None and isinstance(fault.answer, Event):
                fault.answer.wait(SECONDS)
            if fault is not None and isinstance(fault.answer, int):
                raise Refusal(fault.answer, message="Internal Error - We're working hard to fix this!")
            self.route(path)
        except Refusal as refusal:
            self.refuse(refusal)
        except ConnectionAbortedError:
            self.close_connection = True

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def route(self, path: str) -> None:
        for methods, pattern, answer in self.routes:
            match = re.fullmatch(pattern, path)
            if match and self.command in methods:
                groups = match.groupdict()
                if "datasets" in groups:  # pages of models have no prefix
                    groups["kind"] = "datasets" if groups.pop("datasets") else "models"
                answer(self, **groups)
                return
        raise Refusal(404, message=f"{self.command} {path} is nothing that this Hub answers")

    def read_body(self) -> bytes:
        size = int(self.headers.get("Content-Length") or 0)
        if self.breaks and size:
            self.rfile.read(size // 2)
            raise ConnectionAbortedError
        return self.rfile.read(size)

    # What is sent.

    def send(self, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if self.breaks else content)
        if self.breaks:
            raise ConnectionAbortedError

    def send_json(self, answer: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send(json.dumps(answer).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def refuse(self, refusal: Refusal) -> None:
        headers = {name: text for name, text in refusal.headers.items() if text}
        self.send_json({"error": refusal.message}, refusal.status, headers)

    def log_message(self, *_: Any) -> None:
        pass

    # Who asks, and for what.

    @property
    def user(self) -> User | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not token:
            return None
        self.hub.tokens.add(token)
        if token not in self.hub.users:
            raise Refusal(401, message="Invalid credentials in Authorization header")
        return self.hub.users[token]

    def readable(self, kind: Kind, name: str) -> Repository:
        """The repository, where it exists and may be read."""
        user, repository = self.user, self.hub.repositories.get((kind, name))
        hidden = repository is None or (repository.private and (user is None or user.name != repository.owner))
        if repository is None or hidden:
            # The Hub tells those who are not logged in nothing of what exists.
            raise Refusal(404 if user else 401, "RepoNotFound", "Repository not found")
        return repository

    def writable(self, kind: Kind, name: str) -> Repository:
        """The repository, where it may be written."""
        repository = self.readable(kind, name)
        self.check_writes(repository.owner)
        return repository

    def check_writes(self, owner: str) -> User:
        user = self.user
        if user is None:
            raise Refusal(401, message="Invalid username or password.")
        if not user.writes or user.name != owner:
            raise Refusal(403, message=f"You don't have the rights to write under the namespace {owner!r}")
        return user

    def revision(self, repository: Repository, revision: str) -> Commit:
        commit = repository.at(revision)
        if commit is None:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit
