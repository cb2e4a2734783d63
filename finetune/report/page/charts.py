"""Learning curves from metrics.jsonl, as SVG pictures that follow the light or dark colours of the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import is_number, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#123456"
"""A colour that matplotlib draws text and axes in, and that is replaced by the colour of the page's text."""
_COLORS = ("#2a7fd4", "#d9582b", "#1f9d6b", "#b05fc4", "#a87b00", "#d1477f", "#6f7f8f")
"""Colours of lines, with a contrast of at least 3 to 1 to the light and to the dark background."""
_FOLLOWING = "<style>svg{color:#33383d}@media(prefers-color-scheme:dark){svg{color:#c9d1d9}}</style>"
_MOST_SCORES = 6
"""Number of scores that have a chart of their own where several runs are shown."""
_LONGEST_LINE = 2_000
"""Number of points of a line that are drawn."""


@dataclass(frozen=True)
class Chart:
    """A picture of a report.

    Args:
        title: The title, which stands beside the picture as text.
        source: The picture as a URI that holds all of it.
        description: What the picture shows, for those who do not see it.
    """

    title: str
    source: str
    description: str


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Args:
        label: The text of the legend.
        name: Name of the values.
        points: Steps and values.
    """

    label: str
    name: str
    points: tuple[tuple[int, float], ...]


def learning_curves(runs: Sequence[ReportedRun]) -> list[Chart]:
    """Return the learning curves of one run, with a line for each score, or of several, with a line for each run."""
    return _of_one(runs[0]) if len(runs) == 1 else _of_several(runs)


def _of_one(run: ReportedRun) -> list[Chart]:
    losses = [_curve(run, name, name.replace("_", " ")) for name in ("train_loss", "epoch_train_loss", "dev_loss")]
    scores = [_curve(run, f"dev_{name}", name) for name in _score_names([run])]
    small, large = ([one for one in scores if (_largest(one) > 1) == above] for above in (False, True))
    rate = [_curve(run, "learning_rate", "learning rate")]
    best = run.results.get("best_step")
    step = best if isinstance(best, int) else None
    drawn = [("Loss (nats per target)", losses), ("Scores on dev", small), ("Scores on dev, above 1", large)]
    charts = [_chart(title, curves, step) for title, curves in drawn]
    return [chart for chart in (*charts, _chart("Learning rate", rate)) if chart]


def _of_several(runs: Sequence[ReportedRun]) -> list[Chart]:
    wanted = [("Train loss (nats per target)", "epoch_train_loss"), ("Dev loss (nats per target)", "dev_loss")]
    wanted += [(f"{name} on dev", f"dev_{name}") for name in _score_names(runs)[:_MOST_SCORES]]
    charts = (_chart(title, [_curve(run, name, run.letter) for run in runs]) for title, name in wanted)
    return [chart for chart in charts if chart]


def _score_names(runs: Sequence[ReportedRun]) -> list[str]:
    """Return the names of the dev scores; those that have chosen the best checkpoints come first."""
    best = [name for run in runs for name in run.part("best_metric")]
    logged = [key.removeprefix("dev_") for run in runs for entry in run.entries for key in entry if key[:4] == "dev_"]
    return [name for name in dict.fromkeys([*best, *logged]) if name in logged and name != "loss"]


def _curve(run: ReportedRun, name: str, label: str) -> Curve:
    points = tuple((entry["step"], float(entry[name])) for entry in run.entries if is_number(entry.get(name)))
    return Curve(label, name, points[:: len(points) // _LONGEST_LINE + 1])


def _largest(curve: Curve) -> float:
    return max((abs(value) for _, value in curve.points), default=0.0)


def _chart(title: str, curves: Sequence[Curve], best_step: int | None = None) -> Chart | None:
    """Return a chart of the curves that have points; None where none has."""
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return None
    ends = [
        f"{one.label}: {number(one.name, one.points[0][1])} at step {one.points[0][0]:,}, "
        f"{number(one.name, one.points[-1][1])} at step {one.points[-1][0]:,}"
        for one in drawn
    ]
    marked = "" if best_step is None else f"; the best checkpoint is that of step {best_step:,}"
    return Chart(title, _svg(drawn, best_step), f"{title} by step. {'; '.join(ends)}{marked}.")


def _svg(curves: Sequence[Curve], best_step: int | None) -> str:
    """Draw curves, and return the picture as a URI."""
    import matplotlib as mpl  # importing it takes a second
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    settings: dict[Any, Any] = {
        "svg.hashsalt": "finetune",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
    }
    colored: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
    )
    with mpl.rc_context(settings | colored):
        figure = Figure(figsize=(4.6, 2.9))
        axes = figure.add_axes((0.16, 0.16, 0.81, 0.76))
        styles = ["-"] * len(_COLORS) + ["--"] * len(_COLORS) + [":"] * len(_COLORS)
        for curve, color, style in zip(curves, cycle(_COLORS), cycle(styles), strict=False):
            steps, values = zip(*curve.points, strict=True)
            marker = "o" if len(steps) <= 30 else None
            axes.plot(
                steps,
                values,
                style,
                color=color,
                label=_printable(curve.label),
                marker=marker,
                markersize=3,
                linewidth=1.4,
            )
        if best_step is not None:
            axes.axvline(best_step, color=_INK, linewidth=1.2, linestyle="--", label="best checkpoint")
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=_INK, alpha=0.15, linewidth=0.6)
        for text in axes.legend(frameon=False, fontsize=8).get_texts():
            text.set_parse_math(False)  # a name can have dollar signs
        return _uri(_saved(figure))


def _printable(text: str) -> str:
    """Return a text without the characters that no font has."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _saved(figure: "Figure") -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _uri(svg: str) -> str:
    """Return an SVG picture as a URI, with the ink in the colour of the text of the page around it."""
    start = svg.index("<svg")
    end = svg.index(">", start) + 1
    followed = (svg[start:end] + _FOLLOWING + svg[end:]).replace(_INK, "currentColor")
    return "data:image/svg+xml;base64," + base64.b64encode(followed.encode()).decode()
