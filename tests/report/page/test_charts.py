"""Learning curves are pictures in the page, with a description for those who do not see them."""

import base64
from pathlib import Path
from xml.etree import ElementTree

from finetune.report.page.charts import Chart, learning_curves
from finetune.report.page.folders import read_folders
from tests.report.page.folders_of_runs import Lines, read_one, write_run


def svg(chart: Chart) -> str:
    head, _, content = chart.source.partition(",")
    assert head == "data:image/svg+xml;base64"
    text = base64.b64decode(content).decode()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    return text


def test_the_curves_of_a_run(tmp_path: Path) -> None:
    charts = learning_curves([read_one(write_run(tmp_path / "run"))])
    assert [chart.title for chart in charts] == ["Loss (nats per target)", "Scores on dev", "Learning rate"]
    assert "dev loss: 0.6000 at step 2, 0.4000 at step 4" in charts[0].description
    assert "the best checkpoint is that of step 4" in charts[0].description
    for chart in charts:
        picture = svg(chart)
        assert "currentColor" in picture
        assert "prefers-color-scheme" in picture
        assert "#123456" not in picture
        assert 'href="http' not in picture


def test_runs_share_a_chart_for_each_score(tmp_path: Path) -> None:
    runs = read_folders([write_run(tmp_path / "a"), write_run(tmp_path / "b")])
    titles = [chart.title for chart in learning_curves(runs)]
    assert titles == ["Train loss (nats per target)", "Dev loss (nats per target)", "accuracy on dev"]
    assert "B: 0.5000 at step 2" in learning_curves(runs)[2].description


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    entries: Lines = [
        {"step": 1, "dev_loss": float("nan")},
        {"step": 2, "dev_loss": None},
        {"step": 3, "dev_$a$": 31.0},
    ]
    (chart,) = learning_curves([read_one(write_run(tmp_path / "run", metrics=entries))])
    assert chart.title == "Scores on dev, above 1"
    assert "$a$" in svg(chart)
    assert learning_curves([read_one(write_run(tmp_path / "none", metrics=[]))]) == []


def test_the_same_run_gives_the_same_pictures(tmp_path: Path) -> None:
    run = read_one(write_run(tmp_path / "run"))
    assert learning_curves([run]) == learning_curves([run])
