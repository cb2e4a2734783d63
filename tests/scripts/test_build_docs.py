"""Building the documentation: pictures come from the commands of the pages, and broken links are found."""

import re
from pathlib import Path

import pytest

from finetune.cli import app
from finetune.compose.recipe_keys import own_sections, recipe_keys
from scripts.build_docs import broken_links, commands, describe_commands, describe_keys, draw_pictures

PAGE = """# Masks
```sh
finetune mask "window(1)" --length 4 --picture small.png   # a comment
finetune mask "causal()" --length 4
```
```python
finetune mask "full()" --picture not_this.png
```
"""


def test_commands_are_the_lines_of_shell_blocks_as_words() -> None:
    assert list(commands(PAGE)) == [
        ["finetune", "mask", "window(1)", "--length", "4", "--picture", "small.png"],
        ["finetune", "mask", "causal()", "--length", "4"],
    ]


def test_pictures_are_drawn_by_the_commands_of_the_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    pictures = tmp_path / "pictures"
    monkeypatch.chdir(tmp_path)
    assert draw_pictures(tmp_path, pictures) == [pictures / "small.png"]
    assert [path.name for path in pictures.iterdir()] == ["small.png"]
    assert (pictures / "small.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == ""


def test_every_command_is_described_with_its_options() -> None:
    described = describe_commands()
    names = {command.name for command in app.registered_commands}
    assert set(re.findall(r"^## finetune (\w+)$", described, re.MULTILINE)) == names
    (predict,) = re.findall(r"^## finetune predict\n(.*?)^## ", described, re.DOTALL | re.MULTILINE)
    assert "finetune predict [OPTIONS]" in predict
    assert "| `--input`, `-i` | csv, tsv" in predict
    assert all(line.count("|") == 3 for line in described.splitlines() if line.startswith("|"))


def test_every_key_is_described_with_its_values_and_an_example() -> None:
    described = describe_keys()
    rows = [line for line in described.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) in (3, 5) for row in rows)
    sections, prefix = set(), ""
    for line in described.splitlines():
        prefix = f"{line[3:]}." if line.startswith("## ") else prefix
        if found := re.match(r"\| `(\w+)` \| .*Example: `", line):
            sections.add(f"{prefix.removeprefix('Outside of sections.')}{found[1]}")
    leaves = {key.name for key in recipe_keys() if not own_sections(key.field.annotation)}
    assert sections == {name for name in leaves if not name.startswith("data.sources.")}
    assert "| `len(text.split()) <= 100` |" in described
    assert "### task.kind=translation" in described


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "here.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1><a href="sub/#part">1</a><a href="sub/">2</a><a href="#top">3</a><img src="here.png">'
        '<a href="https://pypi.org/">4</a><a href="sub/#gone">5</a><img src="gone.png"><a href="gone/">6</a>'
    )
    (tmp_path / "sub" / "index.html").write_text('<h2 id="part">y</h2><a href="..">up</a><a href="#nope">7</a>')
    assert broken_links(tmp_path) == [
        "index.html: gone.png",
        "index.html: gone/",
        "index.html: sub/#gone",
        "sub/index.html: #nope",
    ]
