import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import UserError
from finetune.metrics import own_metrics, value_names
from finetune.metrics.accuracy import Accuracy
from finetune.metrics.seqeval import Seqeval

PROGRAM = """
import json, socket, sys

def refuse(*_): raise AssertionError("a metric asked for the network")
socket.getaddrinfo = socket.socket.connect = refuse

sys.modules["transformers"] = None  # hidden from evaluate, which only spends seconds on importing it
import evaluate
del sys.modules["transformers"]

from finetune.metrics import check_metric, own_metrics, score

check_metric(own_metrics())
texts, words, ids, numbers = ["a b c d e"], [["B-PER", "O"]], [[1, 2]], [1.0, 2.5]
scores = {
    name: score([name], examples, examples).values
    for name, examples in {
        "accuracy": ["a", "b"], "precision_recall_f1": ["a", "b"], "matthews_correlation": ["a", "b"],
        "seqeval": words, "word_accuracy": words, "sacrebleu": texts, "chrf": texts, "token_accuracy": ids,
        "multi_label": words, "mse": numbers, "pearsonr": numbers, "spearmanr": numbers,
    }.items()
}
print(json.dumps(scores))
"""


def test_needs_neither_network_nor_a_home_that_can_be_written(tmp_path: Path) -> None:
    nowhere = "/dev/null/home"  # no folder can be made below a file, not even by root
    caches = dict.fromkeys(("HF_HOME", "XDG_CACHE_HOME"), f"{nowhere}/cache")
    environment = {**os.environ, **caches, "HOME": nowhere, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert {name: tuple(values) for name, values in json.loads(done.stdout).items()} == {
        name: value_names(name) for name in own_metrics()
    }
    assert list(tmp_path.iterdir()) == []


def test_works_as_any_evaluate_metric() -> None:
    metric = Accuracy()
    metric.add(prediction="a", reference="a")
    metric.add(prediction="a", reference="b")
    assert metric.compute()["accuracy"] == 1 / 2


def test_the_random_state_is_left_alone() -> None:
    def draw_after(seed: int, *, scoring: bool) -> float:
        np.random.seed(seed)  # noqa: NPY002 (evaluate seeds the global state)
        if scoring:
            Accuracy().compute(predictions=["a"], references=["a"])
        return float(np.random.random())  # noqa: NPY002

    assert draw_after(3, scoring=True) == draw_after(3, scoring=False)


def test_empty_compute_is_a_mistake() -> None:
    with pytest.raises(UserError, match="nothing to score"):
        Accuracy().compute(predictions=[], references=[])


def test_one_wrong_type_among_many_is_found() -> None:
    with pytest.raises(UserError, match=r"found: +7"):
        Seqeval().add_batch(predictions=[["O", "O"], ["O", 7]], references=[["O", "O"], ["O", "O"]])
