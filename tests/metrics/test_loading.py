"""Metrics are loaded by name, with their options, and a mistake in a name is found before a run."""

from typing import Any

import pytest

from finetune.errors import UserError, UserErrors
from finetune.metrics import (
    MetricOptions,
    MetricRecord,
    Scores,
    check_metric,
    own_metrics,
    register_metric,
    unregister_metric,
)
from finetune.metrics.hub_metric import HubMetric
from finetune.metrics.loading import load_metric
from finetune.metrics.offline_metric import OfflineMetric


class Given:
    """A metric that keeps what it is made with."""

    made: list[MetricOptions] = []  # noqa: RUF012

    def __init__(self, options: MetricOptions) -> None:
        self.made.append(options)

    def score(self, predictions: list[Any], references: list[Any]) -> Scores:
        return Scores({"given": 1.0})


@pytest.mark.parametrize("name", own_metrics())
def test_own_metrics_load_under_their_names_with_their_options(name: str) -> None:
    options = MetricOptions(labels=("a", "b"))
    metric = load_metric(name, options)
    assert isinstance(metric, OfflineMetric)
    assert metric.name == name
    assert metric.options == options


def test_own_metrics_pass_the_check() -> None:
    check_metric(own_metrics())


def test_a_registered_metric_is_made_with_the_options() -> None:
    register_metric("given", MetricRecord(f"{__name__}:Given", ("given",)))
    options = MetricOptions(target_language="ja", has_words=False)
    try:
        assert load_metric("given", options).score([], []).values == {"given": 1.0}
        check_metric(["given"], options=options)
    finally:
        unregister_metric("given")
    assert Given.made == [options, options]


def test_any_other_name_is_one_of_evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, MetricOptions]] = []
    monkeypatch.setattr(HubMetric, "__init__", lambda self, name, options: asked.append((name, options)))
    assert isinstance(load_metric("somebody/metric", MetricOptions()), HubMetric)
    assert asked == [("somebody/metric", MetricOptions())]


def test_no_name_is_no_mistake_and_one_mistake_is_told_alone() -> None:
    check_metric([])
    with pytest.raises(UserError, match="acuracy") as caught:
        check_metric(["acuracy"])
    assert not isinstance(caught.value, UserErrors)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(UserErrors) as caught:
        check_metric(["accuracy", "acuracy", "./no_such_file.py"])
    assert [error.where for error in caught.value.errors] == [
        "evaluation.metrics=acuracy",
        "evaluation.metrics=./no_such_file.py",
    ]
