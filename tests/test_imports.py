"""Imports between modules form no circle, not even through imports inside functions."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules(root: Path, package: str) -> dict[str, Path]:
    paths = (root / package).rglob("*.py")
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def is_for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Everything in a module but what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not is_for_types_alone(child):
            yield child
            yield from statements(child)


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    names: set[str] = set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {member if member in known else node.module for member in members}
    return names & known.keys()


def circle(root: Path, package: str) -> list[str]:
    """One circle of modules, or nothing."""
    known = modules(root, package)
    graph = {name: imported(path, known) - {name} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_circles() -> None:
    assert len(modules(ROOT, "finetune")) > 200
    assert circle(ROOT, "finetune") == []


@pytest.mark.parametrize(
    ("second", "is_circle"),
    [
        ("def f():\n    from package.first import a\n", True),
        ("from package import first\n", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.first import a\n", False),
        ("import os\n", False),
    ],
)
def test_circles_are_found(tmp_path: Path, second: str, is_circle: bool) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/first.py").write_text("from package.second import b\na = 1\n")
    (tmp_path / "package/second.py").write_text(second)
    assert bool(circle(tmp_path, "package")) == is_circle
