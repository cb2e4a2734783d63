"""One name, one meaning: what the glossary in CONTRIBUTING.md says, as far as it can be checked."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "finetune"


def public_types(path: Path) -> Iterator[str]:
    """Names of a module's public classes and type aliases; type variables mean something within one function alone."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and is_type_name(target.id) and "TypeVar(" not in ast.unparse(node):
                yield target.id


def assigned(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def is_type_name(name: str) -> bool:
    return name[0].isupper() and not name.isupper()


def test_no_two_public_types_share_a_name() -> None:
    modules = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in public_types(path):
            modules[name].append(str(path.relative_to(PACKAGE)))
    assert len(modules) > 200
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}
