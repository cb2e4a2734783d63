import subprocess
import sys
from typing import Any

import pytest

from finetune.errors import UserError
from finetune.metrics import (
    MetricOptions,
    MetricRecord,
    Scores,
    check_metric,
    greater_is_better,
    own_metrics,
    score,
    unregister_metric,
    value_names,
)
from finetune.metrics.registry import metrics_with_value
from tests.packages import Brings
from tests.packages import brings as brings


def test_importing_the_package_is_light() -> None:
    heavy = {"datasets", "evaluate", "numpy", "sacrebleu", "seqeval", "sklearn", "torch", "transformers"}
    program = f"import sys, finetune.metrics; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_value_names_lead_back_to_the_metric() -> None:
    assert all(name in metrics_with_value(value) for name in own_metrics() for value in value_names(name) or ())
    assert value_names("somebody/metric") is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sacreblue", "sacrebleu"),
        ("bleu", "sacrebleu"),
        ("f1", "precision_recall_f1"),
        ("token_acuracy", "token_accuracy"),
    ],
)
def test_unknown_metric_without_a_hub_names_what_may_be_meant(name: str, meant: str) -> None:
    with pytest.raises(UserError) as caught:
        check_metric([name])
    assert caught.value.where == f"evaluation.metrics={name}"
    assert f"evaluation.metrics=[{meant}]" in (caught.value.fix or "")
    assert all(own in (caught.value.expected or "") for own in own_metrics())


class Constant:
    """A metric of another package."""

    def __init__(self, options: MetricOptions) -> None:
        self.options = options

    def score(self, predictions: list[Any], references: list[Any]) -> Scores:
        return Scores({"constant_cost": 1.0})


CONSTANT = MetricRecord(f"{__name__}:Constant", ("constant_cost",), greater_is_better=False)
NO_METRIC = object()


def test_a_package_brings_a_metric(brings: Brings) -> None:
    brings("more-metrics", "finetune.metrics", constant=f"{__name__}:CONSTANT")
    try:
        check_metric(["constant"])
        assert value_names("constant") == ("constant_cost",)
        assert metrics_with_value("constant_cost") == ("constant",)
        assert greater_is_better("constant_cost") is False
        assert score(["constant"], ["a"], ["a"]).values == {"constant_cost": 1.0}
    finally:
        unregister_metric("constant")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("broken", "no_such_module:METRIC", "comes from the package more-metrics, .* ModuleNotFoundError"),
        ("none", f"{__name__}:NO_METRIC", "an entry point is no metric"),
        ("accuracy", f"{__name__}:CONSTANT", "two metrics named 'accuracy'"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(brings: Brings, name: str, value: str, problem: str) -> None:
    brings("more-metrics", "finetune.metrics", **{name: value})
    with pytest.raises(UserError, match=problem) as caught:
        check_metric([name])
    assert "more-metrics" in str(caught.value)
