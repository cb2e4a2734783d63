"""What CONTRIBUTING.md names is there: the glossary's classes, and the modules and functions of the two walks."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ELSEWHERE = {"False", "None", "True", "cross", "is_cls", "segment", "sst2"}


def section(heading: str) -> str:
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    return str(found)


def defined() -> set[str]:
    """Names of all modules, classes, functions, methods and constants of the package."""
    names = set()
    for path in (ROOT / "finetune").rglob("*.py"):
        names.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
    return names | ELSEWHERE


def test_the_glossary_has_the_terms_in_order() -> None:
    terms = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section("Glossary"), re.MULTILINE)
    assert terms[0] == "term"
    assert len(terms) > 40
    assert [term.casefold() for term in terms[1:]] == sorted(term.casefold() for term in terms[1:])


def test_what_the_glossary_and_the_walks_name_exists() -> None:
    names = defined()
    quoted = re.findall(r"`([A-Za-z_][\w.]*)(?:\(\))?`", section("Glossary") + section("Two walks"))
    files = (".py", ".md", ".jsonl")
    unknown = [name for name in quoted if name.rpartition(".")[2] not in names and not name.endswith(files)]
    assert unknown == []


def test_the_files_that_the_walks_name_exist() -> None:
    paths = re.findall(r"`((?:finetune/)?[\w/]+\.(?:py|md))`", section("Two walks"))
    assert len(paths) > 8
    folders = [ROOT, ROOT / "finetune", *(path for path in (ROOT / "finetune").rglob("*") if path.is_dir())]
    assert [path for path in paths if not any((folder / path).is_file() for folder in folders)] == []
