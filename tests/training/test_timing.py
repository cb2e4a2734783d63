"""Where the time of a training goes. No test looks at how long something takes; the clock is a list of times."""

import itertools
import json
import time
from collections.abc import Iterator

import pytest

from finetune.report.page.folders import read_folders
from finetune.report.page.speed import speed_table
from finetune.run import run_recipe
from finetune.training.timing import Timing
from tests.checkpointing.runs import Toy, only_run


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that shows a second more each time it is looked at."""
    monkeypatch.setattr(time, "perf_counter", itertools.count().__next__)


@pytest.mark.usefixtures("ticking")
def test_the_parts_are_the_whole() -> None:
    one = Timing()  # 0
    assert list(one.waiting(iter("ab"), "data")) == ["a", "b"]  # 1 to 6, with the end of the iterator
    with one.measured("evaluation"):  # 7 to 8
        pass
    one.add_tokens(40)
    one.add_tokens(8)
    found = one.take()  # 9, and 10 begins the next
    assert found == {
        "tokens": 48,
        "tokens_per_second": 48 / 8,
        "training_seconds": 5,
        "data_seconds": 3,
        "evaluation_seconds": 1,
        "checkpoint_seconds": 0,
    }
    assert one.take() == {
        "tokens": 0,
        "training_seconds": 1,
        "data_seconds": 0,
        "evaluation_seconds": 0,
        "checkpoint_seconds": 0,
    }


@pytest.mark.usefixtures("ticking")
def test_the_time_of_what_fails_counts() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError

    one = Timing()
    waiting = one.waiting(failing(), "data")
    assert next(waiting) == 1
    with pytest.raises(KeyError):
        next(waiting)
    assert one.take()["data_seconds"] == 2


def test_a_run_stores_its_times(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=64, held_out=8, **{"training.epochs": 2, "training.log_every": 3})
    run_recipe(recipe)
    folder = only_run(recipe)
    entries = [json.loads(line) for line in (folder / "times.jsonl").read_text().splitlines()]
    (run,) = read_folders([folder])
    assert sum(entry["tokens"] for entry in entries) == 2 * run.results["padding"]["tokens"], "each token of two epochs"
    for part in ("training", "data", "evaluation", "checkpoint"):
        assert sum(entry[f"{part}_seconds"] for entry in entries) > 0, part
    table = speed_table([run])
    assert table is not None
    assert {"tokens per second", "time of evaluations on dev"} <= {row[0] for row in table.rows}
