"""A progress bar for notebooks: one output of the cell, which is replaced at each update.

The bars of rich need the package ipywidgets in notebooks. This one needs only IPython, which every notebook has.
"""

import html
import sys
import time
from typing import Any

_SECONDS_BETWEEN_UPDATES = 0.2


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook (Jupyter, Colab, VS Code)."""
    ipython = sys.modules.get("IPython")  # every kernel has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """Progress over a known number of steps; the bar is removed at the end.

    Args:
        label: Description of the work.
        total: Number of steps.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self._display: Any = None
        self._last_update = 0.0

    def update(self, done: int, figures: str) -> None:
        """Show the number of finished steps, at most five times per second.

        Args:
            done: Number of finished steps.
            figures: Text that is shown beside the bar.
        """
        if done < self.total and time.monotonic() - self._last_update < _SECONDS_BETWEEN_UPDATES:
            return
        self._last_update = time.monotonic()
        text = f"{self.label} {done}/{self.total}, {figures}"
        bar = f'<progress value="{done}" max="{self.total}" style="vertical-align: middle"></progress>'
        self._show({"text/plain": text, "text/html": f"<div>{bar} {html.escape(text)}</div>"})

    def close(self) -> None:
        """Remove the bar."""
        if self._display is not None:
            self._show({"text/plain": "", "text/html": ""})

    def _show(self, content: dict[str, str]) -> None:
        from IPython.display import display

        if self._display is None:
            self._display = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call,unused-ignore]
        else:
            self._display.update(content, raw=True)
