"""The progress bar of notebooks, with a kernel that notes what it is asked to display."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from finetune.notebook import NotebookBar, in_notebook
from finetune.progress import ProgressBar

Shown = list[tuple[int, dict[str, str]]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What is displayed: the number of the output, and its content."""
    outputs: Shown = []

    def display(content: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        number = len({one for one, _ in outputs})
        outputs.append((number, content))
        return SimpleNamespace(update=lambda content, raw: outputs.append((number, content)))

    ipython, of_display = ModuleType("IPython"), ModuleType("IPython.display")
    vars(ipython)["get_ipython"] = lambda: SimpleNamespace(kernel=object())
    vars(of_display)["display"] = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", of_display)
    return outputs


def test_one_output_is_replaced_and_emptied(shown: Shown) -> None:
    assert in_notebook()
    with ProgressBar("training", 3) as bar:
        for _ in range(3):
            bar.advance(100, note="<epoch> 1/1")
    assert {number for number, _ in shown} == {0}
    assert shown[0][1]["text/plain"].startswith("training 1/3, ")
    last = shown[-2][1]
    assert last["text/plain"].startswith("training 3/3, ")
    assert last["text/plain"].endswith("left <epoch> 1/1")
    assert 'value="3" max="3"' in last["text/html"]
    assert "&lt;epoch&gt; 1/1" in last["text/html"]
    assert set(shown[-1][1].values()) == {""}


def test_updates_are_few(shown: Shown) -> None:
    bar = NotebookBar("training", 10_000)
    for done in range(1, 5_000):
        bar.update(done, "")
    assert len(shown) < 500


def test_other_processes_show_nothing(shown: Shown) -> None:
    with ProgressBar("training", 1, enabled=False) as bar:
        bar.advance(1)
    assert shown == []


def test_a_terminal_of_ipython_is_no_notebook(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", SimpleNamespace)
    assert not in_notebook()


@pytest.mark.parametrize(("packages", "is_warned"), [("", True), ("finetune,", False)])
def test_a_notebook_without_ipywidgets_is_not_warned_of_it(packages: str, is_warned: bool) -> None:
    pytest.importorskip("ipykernel")
    code = f"import sys; sys.modules['ipywidgets'] = None; import {packages} ipykernel.zmqshell, tqdm.auto"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("IProgress not found" in done.stderr) == is_warned
