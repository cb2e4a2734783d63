"""The sizes that CONTRIBUTING.md promises, and a test file for each module."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("finetune", "recipes", "scripts")
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_A_FILE = 300


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def function_lengths(source: str) -> Iterator[tuple[str, int]]:
    """The name of each function and method, and its number of lines without the docstring and decorators."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            has_docstring = ast.get_docstring(node, clean=False) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_docstrings_and_decorators_do_not_count() -> None:
    source = "class A:\n    @property\n    def f(\n        self):\n        '''Return\n        3.'''\n        return 3\n"
    assert list(function_lengths(source)) == [("f", 3)]
    nested = "async def f():\n    def g():\n        return 1\n    return g\n"
    assert sorted(function_lengths(nested)) == [("f", 4), ("g", 2)]


def test_no_function_is_long() -> None:
    lengths = [
        (f"{path.relative_to(ROOT)}: {name}", length)
        for path in python_files(*FOLDERS)
        for name, length in function_lengths(path.read_text(encoding="utf-8"))
    ]
    assert len(lengths) > 1000
    assert [one for one in lengths if one[1] > MOST_LINES_OF_A_FUNCTION] == []


def test_no_file_is_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files(*FOLDERS)
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_every_module_has_its_test_file() -> None:
    modules = [path.relative_to(ROOT / "finetune") for path in python_files("finetune") if path.stem[:2] != "__"]
    assert len(modules) > 200
    missing = [module for module in modules if not (ROOT / "tests" / module.with_name(f"test_{module.name}")).is_file()]
    assert list(map(str, missing)) == []


def test_every_test_file_holds_tests() -> None:
    assert [
        str(path.relative_to(ROOT))
        for path in python_files("tests")
        if path.name.startswith("test_") and not any(name[:5] == "test_" for name in functions_of(path))
    ] == []


def functions_of(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
