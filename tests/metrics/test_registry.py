import subprocess
import sys

import pytest

from finetune.errors import UserError, UserErrors
from finetune.metrics import MetricOptions, check_metric, own_metrics, value_names
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.own import metrics_with_value
from finetune.metrics.registry import load_metric


def test_importing_the_package_is_light() -> None:
    heavy = {"datasets", "evaluate", "numpy", "sacrebleu", "seqeval", "sklearn", "torch", "transformers"}
    program = f"import sys, finetune.metrics; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


@pytest.mark.parametrize("name", own_metrics())
def test_own_metrics_load_under_their_names(name: str) -> None:
    metric = load_metric(name, MetricOptions())
    assert isinstance(metric, OfflineMetric)
    assert metric.name == name


def test_own_metrics_pass_the_check() -> None:
    check_metric(own_metrics())


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


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(UserErrors) as caught:
        check_metric(["accuracy", "acuracy", "./no_such_file.py"])
    assert [error.where for error in caught.value.errors] == [
        "evaluation.metrics=acuracy",
        "evaluation.metrics=./no_such_file.py",
    ]
