"""The page in a browser: it opens from the disk without errors, and its tables sort, filter and search."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from finetune.report.page import build_page
from tests.report.page.folders_of_runs import write_run
from tests.report.page.parsed import ParsedPage

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [pytest.mark.skipif(BROWSER is None, reason="there is no Chromium"), pytest.mark.slow]


def opened(path: Path, *options: str) -> tuple[str, str]:
    """Open a page; gives its elements as they are after its scripts, and what the console says."""
    words = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent / 'profile'}"]
    words += ["--enable-logging=stderr", "--virtual-time-budget=3000", *options, "--dump-dom", path.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def answer(path: Path, script: str, *options: str) -> Any:
    """Run a script at the end of a copy of a page, and return what it makes of `answer`."""
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", path.read_text())
    body = f"let answer; {script}; document.title = JSON.stringify(answer);"
    ending = f"<script>addEventListener('load', () => {{ {body} }})</script></body>"
    copy = path.with_name("copy.html")
    copy.write_text(page.replace("</body>", ending))
    elements, console = opened(copy, *options)
    assert console == ""
    return json.loads("".join(ParsedPage(elements).texts["title"]))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    labels = [("good", "good", 0.9), ("bad", "good", 0.6), ("bad", "good", 0.8), ("good", "bad", 0.7)]
    lines = [
        {
            "id": number * 5,
            "input": f"text {number} {'Fine FILM' if number % 2 else '<script>throw 1</script>'}",
            "reference": reference,
            "prediction": prediction,
            "probabilities": {prediction: share, reference: 1 - share}
            if prediction != reference
            else {reference: share},
        }
        for number, (reference, prediction, share) in enumerate(labels)
    ]
    path = tmp_path / "report.html"
    path.write_text(build_page([write_run(tmp_path / "run", predictions=lines, mask="window(2)")]), encoding="utf-8")
    return path


SHOWN = "Array.from(document.querySelectorAll('.examples tbody tr:not([hidden])'), (row) => row.cells[0].textContent)"


def test_it_opens_without_errors_under_its_own_policy(page: Path) -> None:
    elements, console = opened(page)
    assert console == ""
    parsed = ParsedPage(elements)
    assert "4 of 4 rows" in "".join(parsed.texts["output"])
    (controls,) = [one for one in parsed.all("div") if one.get("class") == "controls"]
    assert "hidden" not in controls
    drawn = "answer = Array.from(document.images, (one) => one.complete && one.naturalWidth > 0)"
    assert answer(page, drawn) == [True] * 4


def test_rows_are_sorted_both_ways(page: Path) -> None:
    click = "document.querySelectorAll('.examples thead button')[{0}].click();"
    assert answer(page, f"answer = {SHOWN}") == ["10", "15", "5", "0"], "the most confident mistakes"
    assert answer(page, f"{click.format(0)} answer = {SHOWN}") == ["0", "5", "10", "15"], "numbers, not texts"
    assert answer(page, f"{click.format(0) * 2} answer = {SHOWN}") == ["15", "10", "5", "0"]
    assert answer(page, f"{click.format(4)} answer = {SHOWN}") == ["5", "15", "10", "0"]
    sorts = "answer = Array.from(document.querySelectorAll('.examples th'), (one) => one.getAttribute('aria-sort'))"
    assert answer(page, click.format(0) + click.format(1) * 2 + sorts)[:2] == [None, "descending"]


def test_rows_are_filtered_and_searched(page: Path) -> None:
    choose = (
        "const choose = (name, value) => {const one = document.querySelector(`.examples [name=${name}]`);"
        "one.value = value; one.dispatchEvent(new Event(name.startsWith('search') ? 'input' : 'change'));};"
    )
    count = "answer = [document.querySelector('.examples output').textContent, " + SHOWN + "]"
    assert answer(page, f"{choose} choose('outcome', 'wrong'); {count}") == ["3 of 4 rows", ["10", "15", "5"]]
    both = "choose('outcome', 'wrong'); choose('reference', 'good');"
    assert answer(page, f"{choose} {both} {count}") == ["1 of 4 rows", ["15"]]
    assert answer(page, f"{choose} choose('search-A', 'film FINE'); {count}") == ["2 of 4 rows", ["15", "5"]]
    assert answer(page, f"{choose} choose('search-A', 'nowhere'); {count}") == ["0 of 4 rows", []]
    undone = "choose('outcome', 'wrong'); choose('outcome', 'any');"
    assert answer(page, f"{choose} {undone} {count}")[0] == "4 of 4 rows"


@pytest.mark.parametrize("width", [1280, 500])
def test_only_tables_scroll_sideways(width: int, page: Path) -> None:
    measure = "answer = document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert answer(page, measure, f"--window-size={width},900") == 0
    narrow = "document.body.style.width = '390px'; answer = document.body.scrollWidth"
    assert answer(page, narrow, f"--window-size={width},900") <= 390
