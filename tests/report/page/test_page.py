"""The page as a whole: its structure, its size, and that nothing in it comes from elsewhere or runs."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune import compose
from finetune.checkpointing.run_folder import RunFolder
from finetune.cli import app
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.report.page import NAME, build_page, write_page, write_report
from finetune.run import run_recipe
from tests.report.page.folders_of_runs import PREDICTIONS, RESULTS, write_run
from tests.report.page.parsed import ParsedPage

Toy = Callable[..., Recipe]

SECTIONS = ["scores", "curves", "examples", "run", "data", "masks", "speed"]
EVIL = (
    "<script>alert(1)</script></td></script><!-- \u202eevil\u2066 <img src=http://x.org/a onerror=alert(2)> "
    "\" ' &lt; {{ 7*7 }} \0"
)


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_a_page_has_its_sections_and_its_elements_are_closed(kind: str, tmp_path: Path) -> None:
    page = build_page([write_run(tmp_path / "toy" / "time", kind, mask="window(2)")])
    parsed = ParsedPage(page)
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert parsed.wrong == []
    headings = [attributes["id"] for attributes in parsed.all("h2")]
    assert headings == SECTIONS
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert [attributes["href"] for attributes in parsed.all("a")] == [f"#{name}" for name in SECTIONS]
    assert len(parsed.all("h1")) == 1
    assert all(attributes.get("alt") for attributes in parsed.all("img"))
    assert len(parsed.all("img")) == 4
    assert any(attributes.get("name") == "viewport" for attributes in parsed.all("meta"))
    assert parsed.all("html") == [{"lang": "en"}]
    scrolled = [attributes for attributes in parsed.all("div") if "scroll" in (attributes.get("class") or "")]
    assert len(scrolled) == len(parsed.all("table")) == len([one for one in scrolled if one.get("aria-label")])


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    parsed = ParsedPage(build_page([write_run(tmp_path / "run", mask="window(2)")]))
    for tag, attributes in parsed.elements:
        for name in {"src", "href", "action", "data", "srcset", "poster"} & set(attributes):
            assert (attributes[name] or "").startswith(("data:image/svg+xml;base64,", "#"))
        assert tag not in ("link", "iframe", "object", "base", "embed")
    assert "url(" not in "".join(parsed.texts["style"])
    assert "@import" not in "".join(parsed.texts["style"])
    (policy,) = [one["content"] for one in parsed.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def evil_lines(kind: str) -> list[dict[str, Any]]:
    line: dict[str, Any] = {
        "text_classification": {
            "input": EVIL,
            "reference": EVIL,
            "prediction": f"2{EVIL}",
            "probabilities": {EVIL: 0.4, f"2{EVIL}": 0.6},
        },
        "token_classification": {"input": [EVIL], "reference": [f"B-{EVIL}"], "prediction": [f"I-{EVIL}"]},
        "text_to_text": {"input": EVIL, "reference": EVIL, "prediction": f"{EVIL} {EVIL}"},
    }[kind]  # type: ignore[assignment]
    return [{"id": 0, **line}]


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_what_comes_from_the_data_is_text(kind: str, tmp_path: Path) -> None:
    results = RESULTS | {
        "details": {EVIL: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 1.0}},
        "signatures": {EVIL: EVIL},
        "baselines": {EVIL: {"accuracy": 0.5}},
        "changed": {EVIL: {"recipe": EVIL, "run": EVIL}},
        "splits": {EVIL: {"examples": 1, "labels": {EVIL: 1}}},
        "test": {EVIL: 0.5},
    }
    folder = write_run(tmp_path / "<b>run", kind, results=results, predictions=evil_lines(kind))
    recipe = compose.load_recipe(str(folder / "recipe.yaml"))
    changed = recipe.model_copy(update={"summary": EVIL})
    (folder / "recipe.yaml").write_text(compose.to_yaml(changed))
    metrics = [{"step": 1, f"dev_{EVIL}": 0.5}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in metrics))
    page = build_page([folder])
    parsed = ParsedPage(page)
    assert parsed.wrong == []
    assert len(parsed.all("script")) == 1
    assert all(not name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    assert all((image["src"] or "").startswith("data:image/svg+xml") for image in parsed.all("img"))
    assert parsed.text.count("<script>alert(1)</script>") > 5
    assert "\0" not in page
    assert "49" not in parsed.text.replace("{{ 7*7 }}", ""), "nothing of the data is a template"
    for before in re.findall(r"(<[^<>]*>)[^<>]*\u202e", page):
        assert before.startswith(("<bdi", "<title", "<option", "<img", "<caption")) or 'dir="auto"' in before, before


def test_lone_surrogates_can_be_written(tmp_path: Path) -> None:
    line = {**PREDICTIONS["text_classification"][1], "input": "half \ud83d a sign"}
    path = write_page([write_run(tmp_path / "run", predictions=[line])], tmp_path / "page.html")
    assert "half \ufffd a sign" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_a_page_of_many_long_examples_is_small_and_soon_there(kind: str, tmp_path: Path) -> None:
    text, words = '<&" ' * 1000, ['<&"'] * 500
    line: dict[str, Any] = {
        "text_classification": {"input": text, "reference": text, "prediction": "b" + text},
        "token_classification": {"input": words, "reference": ["B-A"] * 500, "prediction": ["B-B", "I-C"] * 250},
        "text_to_text": {"input": text, "reference": text, "prediction": text[::-1]},
    }[kind]  # type: ignore[assignment]
    lines = [{"id": number, **line} for number in range(500)]
    folder = write_run(tmp_path / "run", kind, predictions=lines, mask="window(2)")
    build_page([write_run(tmp_path / "first")])  # imports matplotlib
    start = time.process_time()
    size = len(build_page([folder]).encode())
    assert size < 3_000_000
    assert time.process_time() - start < 5


def test_no_cell_says_nan(tmp_path: Path) -> None:
    text = ParsedPage(build_page([write_run(tmp_path / "run")])).text
    assert "not defined" in text
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)


def test_several_runs_stand_side_by_side(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / "a"),
        write_run(tmp_path / "b", "text_to_text"),
        write_run(tmp_path / "c", results=None),
    ]
    parsed = ParsedPage(build_page(folders))
    assert parsed.wrong == []
    assert "3 runs side by side" in parsed.text
    assert (
        "A and B are not compared, as they are runs of different tasks: text classification and text to text."
        in parsed.text
    )
    assert "A and C are not compared, as C is not finished." in parsed.text
    assert "comparison" in [attributes.get("id") for attributes in parsed.all("h2")]


def test_a_run_that_goes_on_has_a_page(tmp_path: Path) -> None:
    text = ParsedPage(build_page([write_run(tmp_path / "run", results=None)])).text
    assert "This run is not finished" in text
    assert "There are no scores before a run is finished." in text
    assert "No figures of the data are stored: they are when a run is finished." in text


def test_a_report_replaces_a_report_and_nothing_else(tmp_path: Path) -> None:
    folder, path = write_run(tmp_path / "run"), tmp_path / "page.html"
    write_page([folder], path)
    write_page([folder], path)
    path.write_text("mine")
    with pytest.raises(UserError, match="is there already, and is no report"):
        write_page([folder], path)
    assert path.read_text() == "mine"
    with pytest.raises(UserError, match="cannot be written"):
        write_page([folder], tmp_path / "absent" / "page.html")


def test_a_report_that_fails_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "results.json").write_text("{")
    assert write_report(folder) is None
    assert "the report of" in caplog.text
    assert caplog.records[0].levelname == "WARNING"


def test_the_command_writes_one_run_or_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    runner = CliRunner()
    assert runner.invoke(app, ["report", "a"], catch_exceptions=False).exit_code == 0
    assert (first / NAME).is_file()
    assert runner.invoke(app, ["report", "a", "b"], catch_exceptions=False).exit_code == 0
    assert "2 runs side by side" in (tmp_path / NAME).read_text()
    done = runner.invoke(app, ["report", str(second), "--output", "mine.html"], catch_exceptions=False)
    assert done.output == "mine.html\n"
    assert not (second / NAME).exists()


def test_a_finished_run_has_its_report_and_so_has_one_that_is_published_later(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=16, **{"training.epochs": 1})
    run_recipe(recipe)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    parsed = ParsedPage((folder / NAME).read_text())
    assert "How often each label occurs" in parsed.text
    assert "padding avoided" in parsed.text
    (folder / NAME).unlink()
    RunFolder(folder).write_results(json.loads((folder / "results.json").read_text()))
    run_recipe(compose.override(compose.load_recipe(str(folder / "recipe.yaml")), {"resume": str(folder)}))
    assert (folder / NAME).is_file()


def test_a_report_that_fails_does_not_lose_the_run(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError("in the report")

    monkeypatch.setattr("finetune.report.page.page.build_page", fail)
    recipe = toy("text_classification", "bert", train=32, held_out=16, **{"training.epochs": 1})
    assert run_recipe(recipe)
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    assert RunFolder(folder).is_complete
    assert not (folder / NAME).exists()
