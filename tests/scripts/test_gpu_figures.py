"""The README's table of GPU figures comes from the file of a check, and is absent as long as there is none."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from scripts import gpu_figures
from scripts.gpu_figures import AFTER, BEGIN, FIGURES, README, gpu_table, main, with_table

REPORT: dict[str, Any] = {
    "format": 1,
    "quick": False,
    "passed": True,
    "machine": {
        "device": "cuda",
        "name": "A GPU",
        "memory_gib": 80.0,
        "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
    },
    "parts": [
        {"name": "kernels", "comparisons": [{}, {}, {}], "measurements": []},
        {
            "name": "steps",
            "comparisons": [],
            "measurements": [
                {"name": "streams", "unit": "tokens/s", "lower": 98000.0, "median": 123456.0, "upper": 130000.0},
                {"name": "streams over padded", "unit": "times", "lower": 1.25, "median": 1.25, "upper": 1.25},
                {"name": "not measured", "unit": "ms", "lower": None, "median": None, "upper": None},
            ],
        },
    ],
}


def test_the_table_has_a_row_for_each_measurement() -> None:
    table = gpu_table(REPORT)
    assert table.startswith("On one A GPU (80 GiB), torch 2.13.0,\ntransformers 5.23.0; 3 comparisons")
    assert "| streams | 123,000 (98,000 to 130,000) | tokens/s |\n" in table
    assert "| streams over padded | 1.25 | times |\n" in table
    assert "not measured" not in table


def test_the_table_is_put_in_place_replaced_and_removed() -> None:
    text = f"before\n{AFTER}\nafter\n"
    once = with_table(text, REPORT)
    assert once.startswith(f"before\n{AFTER}\n{BEGIN}On one A GPU")
    assert once.endswith("\nafter\n")
    other = copy.deepcopy(REPORT)
    other["machine"]["name"] = "Another GPU"
    replaced = with_table(once, other)
    assert "Another GPU" in replaced
    assert "A GPU (" not in replaced
    assert with_table(replaced, None) == text


@pytest.mark.parametrize("change", [{"passed": False}, {"quick": True}, {"machine": {"device": "cpu"}}])
def test_a_check_that_failed_or_was_small_is_not_published(
    change: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    readme, figures = tmp_path / "README.md", tmp_path / "gpu.json"
    readme.write_text(AFTER)
    figures.write_text(json.dumps(REPORT | change))
    monkeypatch.setattr(gpu_figures, "README", readme)
    assert main([str(figures)]) == 2
    assert "figures are published of a full check on a GPU that has passed" in capsys.readouterr().err
    assert readme.read_text() == AFTER
    figures.write_text(json.dumps(REPORT))
    assert main([str(figures)]) == 0
    assert BEGIN in readme.read_text()


def test_the_readme_has_the_table_of_the_file_and_none_without_it() -> None:
    report = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else None
    readme = README.read_text(encoding="utf-8")
    assert AFTER in readme
    assert with_table(readme, report) == readme
