"""Benchmarks and trainings of the GPU check, with tiny sizes on a CPU."""

import time

import pytest
import torch

from scripts.gpu_checks.learning import check_learning
from scripts.gpu_checks.results import Comparison, LeftOut, Measurement
from scripts.gpu_checks.setting import Setting
from scripts.gpu_checks.timing import matmul_speed, rounds_that_fit
from scripts.gpu_checks.training_loop import check_training_loop, distance
from scripts.gpu_checks.training_steps import PADDED, RAGGED, batches, measure_steps, padded, ragged
from scripts.gpu_checks.windows import FULL, MASKED, OURS, Layer, measure_windows, prepare

TINY = Setting("cpu", quick=True)


@pytest.mark.parametrize("name", ["bert", "t5"])
def test_steps_have_the_same_loss_and_yield_speeds_and_ratios(name: str) -> None:
    results = list(measure_steps(name, Setting("cpu", True, time.monotonic() + 5)))
    compared = [one for one in results if isinstance(one, Comparison)]
    assert [one.name.split(", loss")[0] for one in compared] == [PADDED, RAGGED]
    assert all(one.passed for one in compared)
    measured = [one for one in results if isinstance(one, Measurement)]
    assert {one.unit for one in measured} == {"tokens/s", "share of the peak", "times"}
    assert all(one.value.median > 0 for one in measured)


@pytest.mark.parametrize("name", ["bert", "t5"])
def test_padded_and_ragged_batches_hold_the_same_tokens(name: str) -> None:
    drawn = batches(name, 3, 8, 200)
    lengths = [max(map(len, texts.sources)) for texts in drawn]
    assert lengths == sorted(lengths, reverse=True)
    for texts in drawn:
        rows, stream = padded(texts, "cpu"), ragged(texts, "cpu")
        assert rows["input_ids"].shape[1] % 8 == 0
        assert torch.equal(rows["input_ids"][rows["attention_mask"] == 1], stream["input_ids"][0])
        assert torch.equal(rows["labels"][rows["labels"] != -100], stream["labels"])
        assert texts.tokens == stream["layout"].total + (len(stream["labels"]) if name == "t5" else 0)


def test_windows_agree_and_a_way_under_another_mask_does_not() -> None:
    results = list(measure_windows(400, TINY))
    compared = {one.name: one for one in results if isinstance(one, Comparison)}
    assert set(compared) == {f"400 tokens, {name}, output and gradients" for name in (MASKED, FULL, OURS)}
    assert all(one.passed for one in compared.values())
    assert any(isinstance(one, LeftOut) for one in results)
    assert f"400 tokens: {OURS} over {MASKED}" in {one.name for one in results if isinstance(one, Measurement)}
    layer = Layer.drawn(400, TINY)
    steps = {MASKED: layer.step(lambda query, key, value: value + 0 * query + 0 * key)}
    assert not prepare(steps, OURS, layer, TINY).passed


def test_the_small_task_is_learned() -> None:
    (wrong, _) = check_learning(TINY)
    assert isinstance(wrong, Comparison)
    assert wrong.passed


@pytest.mark.slow
def test_the_training_loop_learns_resumes_and_halves() -> None:
    *compared, limited = check_training_loop(TINY)
    assert len(compared) == 3
    assert all(isinstance(one, Comparison) and one.passed for one in compared), [str(one) for one in compared]
    assert isinstance(limited, LeftOut)


def test_a_training_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pydantic'", name="pydantic")

    monkeypatch.setattr("scripts.gpu_checks.training_loop.importlib.import_module", missing)
    (left_out,) = check_training_loop(TINY)
    assert isinstance(left_out, LeftOut)
    assert left_out.reason == "pydantic cannot be imported"


def test_weights_have_a_distance() -> None:
    weights = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([4.0])}
    assert distance(weights, weights) == 0
    assert distance({**weights, "b": torch.tensor([4.5])}, weights) == pytest.approx(0.1)


def test_rounds_fit_their_time() -> None:
    ways = {"sleep": lambda: time.sleep(0.02)}
    assert rounds_that_fit(ways, 0.001, 9) == 1
    assert 2 <= rounds_that_fit(ways, 0.2, 100) <= 10
    assert rounds_that_fit(ways, float("inf"), 9) == 9
    assert matmul_speed(TINY).median > 0
