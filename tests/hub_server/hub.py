"""The state of a Hub: accounts, repositories, trouble to come, and what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.hub_server.faults import Answer, Fault
from tests.hub_server.repositories import Kind, Repository


@dataclass(frozen=True)
class User:
    """An account, known by its token."""

    name: str
    writes: bool = True


@dataclass
class Hub:
    """The state of a Hub.

    Args:
        endpoint: Its address.
        users: By token.
        repositories: By kind and name.
        faults: Trouble that is to come.
        requests: What was asked for, "METHOD /path", in order.
        tokens: What came as authorization.
    """

    endpoint: str = ""
    users: dict[str, User] = field(default_factory=dict)
    repositories: dict[tuple[Kind, str], Repository] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    @property
    def storage(self) -> str:
        """Where large files are: a host of its own, to which clients send no token."""
        return self.endpoint.replace("127.0.0.1", "localhost")

    def create(self, kind: Kind, name: str, *, private: bool = False) -> Repository:
        """A new repository, by nobody's request."""
        repository = self.repositories[kind, name] = Repository(kind, name, private)
        return repository

    def model(self, name: str) -> Repository:
        """The model of that name."""
        return self.repositories["models", name]

    def trouble(self, pattern: str, answer: Answer, times: int = 1) -> None:
        """Answer the next requests that a pattern names with an error, break them off, or let them wait."""
        self.faults.append(Fault(pattern, answer, times))
