"""What a Hub holds: repositories of commits, each the whole of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha1, sha256
from typing import Literal

Kind = Literal["models", "datasets"]

LFS_SUFFIXES = (".safetensors", ".parquet", ".bin", ".png", ".msgpack", ".zip")
"""Files that the Hub keeps in large file storage."""


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    content: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        """Its number as git counts."""
        return sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        """Its number in large file storage."""
        return sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    id: str
    title: str
    files: Mapping[str, File] = field(default_factory=dict)


@dataclass
class Repository:
    """A model or data set.

    Args:
        kind: Which of the two.
        name: owner/name.
        private: Whether only its owner sees it.
        history: The commits of the main branch, oldest first.
        refs: Other branches, by name, one commit each.
        stored: Large files that were uploaded, by their sha256, also before any commit names them.
    """

    kind: Kind
    name: str
    private: bool = False
    history: list[Commit] = field(default_factory=list)
    refs: dict[str, Commit] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history.append(Commit(_commit_id(self.name, "initial commit", {}), "initial commit"))

    @property
    def owner(self) -> str:
        return self.name.split("/")[0]

    @property
    def head(self) -> Commit:
        return self.history[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, or of that number."""
        return self.revisions.get(revision)

    @property
    def revisions(self) -> dict[str, Commit]:
        """All commits by their numbers, and the branches by their names."""
        commits = {commit.id: commit for commit in (*self.history, *self.refs.values())}
        return {"main": self.head, **self.refs, **commits}

    def commit(self, title: str, added: Mapping[str, File], deleted: frozenset[str] = frozenset()) -> Commit:
        """A new state of the main branch."""
        kept = {path: file for path, file in self.head.files.items() if path not in deleted}
        files = kept | dict(added)
        self.history.append(Commit(_commit_id(self.head.id, title, files), title, files))
        self.stored |= {file.sha256: file.content for file in added.values() if file.lfs}
        return self.head

    def put(self, files: Mapping[str, bytes], revision: str = "main") -> Repository:
        """Publish files, as their owner would have; gives the repository."""
        added = {path: File(content, path.endswith(LFS_SUFFIXES)) for path, content in files.items()}
        commit = self.commit("publish", added)
        if revision != "main":
            self.history.pop()
            self.refs[revision] = replace(commit, files=added)
        return self


def _commit_id(parent: str, title: str, files: Mapping[str, File]) -> str:
    listing = "".join(f"{path} {file.oid}\n" for path, file in sorted(files.items()))
    return sha1(f"{parent}\n{title}\n{listing}".encode()).hexdigest()
