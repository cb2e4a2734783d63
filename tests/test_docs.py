"""The documentation's pages: every command can be parsed, every key exists, and every example of Python runs."""

import ast
import doctest
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from finetune import compose
from finetune import recipe as recipe_module
from finetune.cli import app
from finetune.recipe import Section
from scripts.build_docs import commands

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
RUN_ELSEWHERE = DOCS / "adding_a_task_and_a_family.md"
"""Its files and commands are run by tests/test_adding.py."""
LAUNCHED = ("finetune/run.py", "finetune.run")
OTHER_TOOLS = {".", "pip", "python", "sbatch"}
"""Commands of other projects, whose words are not checked."""

COMMANDS = [(page, words) for page in PAGES if page != RUN_ELSEWHERE for words in commands(page.read_text())]


def python_blocks(page: Path) -> Iterator[str]:
    yield from re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def named(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0].relative_to(DOCS)}: {' '.join(value[1])}" if isinstance(value[1], list) else str(value)
    return str(value.relative_to(DOCS)) if isinstance(value, Path) else str(value)


def words_of_recipe(words: list[str]) -> list[str] | None:
    """Return the words of a command that make a recipe; None where it has no recipe."""
    if words[0] == "scripts/run":
        return words[1:]
    for name in LAUNCHED:
        if name in words:
            return words[words.index(name) + 1 :]
    if words[0] == "finetune" and any(word.startswith("recipe=") for word in words):
        return [word for word in words[2:] if re.match(r"[a-z_.]+=", word)]
    return None


RECIPES = [(page, given) for page, words in COMMANDS if (given := words_of_recipe(words))]


@pytest.mark.parametrize("command", COMMANDS, ids=named)
def test_every_command_is_of_a_known_kind_and_can_be_parsed(command: tuple[Path, list[str]]) -> None:
    _, words = command
    if words[0] == "finetune":
        group = typer.main.get_command(app)
        subcommand = group.commands[words[1]]  # type: ignore[attr-defined]
        subcommand.make_context(words[1], words[2:])  # raises where an option does not exist or lacks its value
    elif "launch" in words:
        assert set(words) & set(LAUNCHED)
        config = Path(words[words.index("--config_file") + 1].replace("CONFIGS", "configs"))
        assert (ROOT / config).is_file()
    elif words[0].startswith("scripts/"):
        assert (ROOT / words[0]).is_file()
    else:
        assert words[0] in OTHER_TOOLS
        paths = [word for word in words if word.startswith(("configs/", "scripts/"))]
        assert [path for path in paths if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_every_key_exists_and_takes_its_value(
    recipe: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, words = recipe
    for code in python_blocks(page):  # files that the page has a reader write
        if "recipe = Recipe(" in code:
            (tmp_path / "reviews.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    compose.compose(words)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != RUN_ELSEWHERE and any(python_blocks(page))], ids=named
)
def test_examples_of_python_run(page: Path, tmp_path: Path) -> None:
    for code in python_blocks(page):
        if ">>> " in code:
            example = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
            assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
        elif "recipe = Recipe(" in code:
            (tmp_path / "mine.py").write_text(code)
            assert compose.load_recipe(str(tmp_path / "mine.py")).summary
        else:
            definitions = [line for line in ast.parse(code).body if not needs_a_run(line)]
            exec(compile(ast.Module(definitions, []), str(page), "exec"), {})


def needs_a_run(statement: ast.stmt) -> bool:
    """Whether a statement of an example reads RUN, the folder of a finished run."""
    return any(isinstance(node, ast.Constant) and node.value == "RUN" for node in ast.walk(statement))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_page_is_in_the_navigation(page: Path) -> None:
    assert f'"{page.relative_to(DOCS).as_posix()}"' in (ROOT / "zensical.toml").read_text()


def test_every_section_of_a_recipe_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "recipe.md").read_text()
    shown = set(re.findall(r"^::: finetune\.recipe\.(\w+)$", page, re.MULTILINE))
    public = {name: getattr(recipe_module, name) for name in recipe_module.__all__}
    sections = {name for name, one in public.items() if isinstance(one, type) and issubclass(one, Section)}
    assert shown == sections - {
        "DataSource",
        "Section",
        "TaskSection",
    }  # bases, whose keys stand with the sections themselves


def test_the_launch_files_are_all_listed() -> None:
    listed = set(re.findall(r"^\| `(\w+\.yaml)` \|", (DOCS / "machines.md").read_text(), re.MULTILINE))
    assert listed == {path.name for path in (ROOT / "configs" / "accelerate").iterdir()}


def test_the_extras_are_all_named() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (text,) = re.findall(r"^Extras add .*?\n\n", (DOCS / "index.md").read_text(), re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"`([\w-]+)`", text)) == set(extras) - {"docs", "draw", "test"}
