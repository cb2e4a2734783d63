"""The example notebooks run from their first cell to their last: in this process, and one of them in a real kernel."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def run_cells(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """Run the code cells in order; gives the variables, and the value of the last expression of each cell."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    values = []
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        body = ast.parse("".join(cell["source"]))
        last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
        exec(compile(body, path.name, "exec"), namespace)
        values.append(
            eval(compile(ast.Expression(last.value), path.name, "eval"), namespace)
            if isinstance(last, ast.Expr)
            else None
        )
    return namespace, values


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_there_are_some_without_outputs() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["masks", "text_classification", "token_classification"]
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        assert not any(cell.get("outputs") for cell in cells), "outputs are not kept in the repository"


@pytest.mark.network
def test_text_classification() -> None:
    namespace, values = run_cells(NOTEBOOKS[1])
    assert namespace["run"].scores["accuracy"] > 0.8
    assert namespace["again"].recipe.data.columns.text == "review"
    assert ["good", "bad"] in [value for value in values if isinstance(value, list)]


@pytest.mark.network
def test_masks() -> None:
    namespace, _ = run_cells(NOTEBOOKS[0])
    assert not namespace["stock"].equal(namespace["masked"])
    assert namespace["plans"].layers[0].explanation.computed_share < 0.5


@pytest.mark.network
def test_token_classification(capsys: pytest.CaptureFixture[str]) -> None:
    namespace, values = run_cells(NOTEBOOKS[2])
    assert "F1" in capsys.readouterr().out
    assert namespace["run"].scores["f1"] > 0.9
    assert namespace["watch"].losses
    assert values[-1] == [["number", "street", "street", "city"], ["city", "number", "street", "street"]]


@pytest.mark.network
def test_a_real_kernel_shows_notes_a_bar_and_the_run() -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOKS[1], as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    trained = next(cell for cell in notebook.cells if "finetune.train(" in cell.source)
    streams = [one for one in trained.outputs if one.output_type == "stream"]
    notes = "".join(one.text for one in streams if one.name == "stderr")
    assert "text classification with minilm" in notes
    assert "epoch 4/4  train loss" in notes
    assert not any(one.name == "stdout" for one in streams)
    assert 'install "ipywidgets"' not in notes, "as rich asks for its own bars"
    assert "\x1b" not in notes, "no colours or cursor movements"
    bars = [one for one in trained.outputs if one.output_type == "display_data"]
    assert all(one.data["text/plain"] == "" for one in bars), "bars are taken away at their end"
    (shown,) = (one for one in trained.outputs if one.output_type == "execute_result")
    assert "<td>accuracy</td>" in shown.data["text/html"]
