"""Builds the documentation: draws the pictures, describes commands and keys, makes the site, and checks its links.

python scripts/build_docs.py          # builds the site into site/
zensical serve                        # shows the site, and builds it again at each change
"""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PICTURES = DOCS / "pictures"
SITE = ROOT / "site"
COMMANDS = ROOT / "build" / "docs" / "commands.md"
"""The description of the commands, which docs/reference/commands.md includes."""
KEYS = COMMANDS.with_name("keys.md")
"""The description of all keys of a recipe, which docs/reference/keys.md includes."""
COPIED = (ROOT / "scripts" / "pictures" / "bench_training.png",)
"""Pictures of measurements, which take too long to be drawn at each build."""
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the lines of the shell blocks of a page, as words."""
    for block in SHELL.findall(text):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def draw_pictures(docs: Path, pictures: Path) -> list[Path]:
    """Run every `finetune mask ... --picture FILE` of the pages, so that pictures are what their commands draw.

    Args:
        docs: Folder of the pages.
        pictures: Where the files are written, by the names that the commands give.

    Returns:
        The pictures.
    """
    from finetune.cli import app

    pictures.mkdir(exist_ok=True)
    drawn = []
    for page in sorted(docs.rglob("*.md")):
        for words in commands(page.read_text(encoding="utf-8")):
            if words[:2] == ["finetune", "mask"] and "--picture" in words:
                place = words.index("--picture") + 1
                drawn.append(pictures / words[place])
                with contextlib.redirect_stdout(io.StringIO()):
                    app([*words[1:place], str(drawn[-1]), *words[place + 1 :]], standalone_mode=False)
    return drawn


def describe_commands() -> str:
    """Return the reference of the command line as Markdown, from what `finetune COMMAND --help` is made of."""
    import typer.main

    from finetune.cli import app

    group = typer.main.get_command(app)
    lines = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        context = command.make_context(name, [], resilient_parsing=True)
        usage = " ".join(["finetune", name, *command.collect_usage_pieces(context)])
        lines += [f"## finetune {name}", "", command.help, "", "```text", usage, "```", ""]
        options = [one for one in command.params if getattr(one, "help", None)]
        if options:
            lines += ["| argument | meaning |", "|---|---|"]
            lines += [f"| {_names(one, context)} | {_cell(one.help)} |" for one in options]
        lines.append("")
    return "\n".join(lines)


def describe_keys() -> str:
    """Return the reference of all keys of a recipe as Markdown, from the docstrings and types of its sections."""
    from finetune.compose.recipe_keys import RecipeKey, own_sections
    from finetune.recipe import Recipe

    keys = [RecipeKey(name, Recipe, field) for name, field in Recipe.model_fields.items()]
    outside = [key for key in keys if not own_sections(key.field.annotation)]
    lines = ["## Outside of sections", "", *_key_table(outside, "")]
    for key in keys:
        if key not in outside:
            lines += _describe_section(key)
    return "\n".join(lines)


def _describe_section(key: Any) -> Iterator[str]:
    """Yield the lines of a section: a table for itself, or for each kind of task, and the sections within it."""
    from finetune.compose.descriptions import description_of
    from finetune.compose.recipe_keys import RecipeKey, own_sections
    from finetune.recipe import TaskSection

    yield from (f"## {key.name}", "", _cell(description_of(key)), "")
    inner = []
    for section in own_sections(key.field.annotation):
        keys = [RecipeKey(f"{key.name}.{name}", section, field) for name, field in section.model_fields.items()]
        inner += [one for one in keys if own_sections(one.field.annotation)]
        if issubclass(section, TaskSection):
            yield from (f"### {key.name}.kind={section.model_fields['kind'].default}", "")
        yield from _key_table([one for one in keys if one not in inner], f"{key.name}.")
        if any(one.name == "data.filter" for one in keys):
            yield from _describe_filters()
    for one in inner:
        yield from _describe_section(one)


def _key_table(keys: list[Any], prefix: str) -> list[str]:
    """Return a table with a row for each key: its name, its meaning with an example, its type and its default."""
    from finetune.compose.descriptions import description_of
    from finetune.compose.explaining import default_of, example_word, type_in_words

    lines = ["| key | meaning | values | default |", "|---|---|---|---|"]
    for key in keys:
        default = f"`{_code(default_of(key))}`" if default_of(key) else "needed"
        meaning = f"{_cell(description_of(key))} Example: `{_code(example_word(key))}`"
        name = key.name.removeprefix(prefix)
        lines.append(f"| `{name}` | {meaning} | {_cell(type_in_words(key))} | {default} |")
    return [*lines, ""]


def _describe_filters() -> Iterator[str]:
    """Yield the lines that show the syntax of data.filter by examples."""
    from finetune.compose.examples import FILTER_RULES, FILTERS

    yield from ("### The syntax of data.filter", "", FILTER_RULES, "")
    yield from ("| data.filter= | keeps |", "|---|---|")
    yield from (f"| `{_code(text)}` | {kept} |" for text, kept in FILTERS.items())
    yield ""


def _code(text: str) -> str:
    """Return a text for a cell's code, in which a bar would end the cell."""
    return text.replace("|", "\\|")


def _names(parameter: Any, context: Any) -> str:
    """Return the names of a parameter: all its option strings, or the name of an argument."""
    names = parameter.opts if parameter.param_type_name == "option" else parameter.get_usage_pieces(context)
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    """Return a text for a cell of a table, in which nothing but code in backticks is Markdown."""
    parts = text.split("`")
    for number in range(0, len(parts), 2):
        parts[number] = parts[number].replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_")
    return "`".join(parts).replace("|", "&#124;")


class Links(HTMLParser):
    """Collects the addresses that a page of HTML refers to, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.addresses.append(value)
            if value and name == "id":
                self.anchors.add(value)


def broken_links(site: Path) -> list[str]:
    """Return `page: address` for each address within a site that leads to no file or no anchor, sorted."""
    pages = {page: Links(page.read_text(encoding="utf-8")) for page in site.rglob("*.html") if page.name != "404.html"}
    return sorted(
        f"{page.relative_to(site)}: {address}"
        for page, links in pages.items()
        for address in links.addresses
        if not _leads_somewhere(page, address, pages)
    )


def _leads_somewhere(page: Path, address: str, pages: dict[Path, Links]) -> bool:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True  # other sites are not asked
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    target = target / "index.html" if target.is_dir() else target
    if target not in pages:
        return target.is_file()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors


def main() -> int:
    """Build the site, and return the exit status: 1 if the generator or the check of links finds an error."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    draw_pictures(DOCS, PICTURES)
    COMMANDS.parent.mkdir(parents=True, exist_ok=True)
    COMMANDS.write_text(describe_commands(), encoding="utf-8")
    KEYS.write_text(describe_keys(), encoding="utf-8")
    for picture in COPIED:
        shutil.copy(picture, PICTURES)
    generator = Path(sys.executable).with_name("zensical")
    made = subprocess.run([generator, "build", "--clean", "--strict"], cwd=ROOT, check=False, capture_output=True)
    if made.returncode:
        sys.stderr.write(made.stdout.decode() + made.stderr.decode())
        return 1
    if broken := broken_links(SITE):
        print("these links lead nowhere:", *broken, sep="\n  ", file=sys.stderr)
        return 1
    print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}/")
    return 0


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    sys.exit(main())
