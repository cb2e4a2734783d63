"""The library of fp32 products: taken where it is faster and exact, and set back afterwards."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from finetune import training
from finetune.hardware import matmul
from finetune.hardware.matmul import Matmul, choose_matmul
from finetune.recipe import Recipe
from finetune.training.run import prepare


def setting() -> str:
    return str(matmul._mkldnn.matmul.fp32_precision)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No choice is remembered, and none is left behind."""
    before = setting()
    matmul._measure.cache_clear()
    yield
    matmul._measure.cache_clear()
    assert setting() == before


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(256, 512), nn.Linear(512, 256), nn.Linear(8, 8))


def pretend(monkeypatch: pytest.MonkeyPatch, *, gain: float, digits: int) -> None:
    """A CPU on which oneDNN is `gain` times as fast and multiplies factors rounded to so many binary digits."""

    def multiply(product: matmul._Product) -> torch.Tensor:
        left, right = product.left, product.right
        if setting() == "bf16" and digits < 24:
            step = 2.0**-digits
            left, right = (factor + factor * step * torch.randn_like(factor) for factor in (left, right))
        return left @ right

    monkeypatch.setattr(matmul._Product, "__call__", multiply)
    monkeypatch.setattr(matmul, "_time", lambda product: 1.0 / gain if setting() == "bf16" else 1.0)


@pytest.mark.parametrize(
    ("gain", "digits", "library"),
    [(2.0, 24, "onednn"), (1.05, 24, "default"), (0.5, 24, "default"), (9.0, 8, "default"), (9.0, 11, "default")],
)
def test_only_a_library_that_is_faster_and_exact_is_taken(
    monkeypatch: pytest.MonkeyPatch, model: nn.Module, gain: float, digits: int, library: str
) -> None:
    pretend(monkeypatch, gain=gain, digits=digits)
    chosen = choose_matmul("auto", model, computes_fp32_on_cpu=True)
    assert chosen.library == library
    assert f"{gain:.1f} times as fast" in str(chosen)


@pytest.mark.skipif(not matmul._mkldnn.is_available(), reason="this torch has no oneDNN")
def test_what_is_taken_here_is_exact(model: nn.Module) -> None:
    chosen = choose_matmul("auto", model, computes_fp32_on_cpu=True)
    left, right = torch.randn(64, 256), torch.randn(256, 64)
    exact = left.double() @ right.double()
    with chosen.used():
        torch.testing.assert_close((left @ right).double(), exact, rtol=1e-5, atol=1e-4)


def test_the_choice_is_made_once_in_a_process(monkeypatch: pytest.MonkeyPatch, model: nn.Module) -> None:
    pretend(monkeypatch, gain=2.0, digits=24)
    first = choose_matmul("auto", model, computes_fp32_on_cpu=True)
    pretend(monkeypatch, gain=0.5, digits=24)
    assert choose_matmul("auto", model, computes_fp32_on_cpu=True) == first


def test_small_models_and_other_arithmetic_are_left_alone(monkeypatch: pytest.MonkeyPatch, model: nn.Module) -> None:
    pretend(monkeypatch, gain=2.0, digits=24)
    assert choose_matmul("auto", nn.Linear(8, 8), computes_fp32_on_cpu=True).library == "default"
    assert choose_matmul("onednn", model, computes_fp32_on_cpu=False).library == "default"
    assert choose_matmul("default", model, computes_fp32_on_cpu=True).library == "default"
    assert choose_matmul("onednn", nn.Linear(8, 8), computes_fp32_on_cpu=True).library == "onednn"


def test_the_setting_is_put_back_whatever_happens() -> None:
    before = setting()
    during: list[str] = []

    def fail() -> None:
        with Matmul("onednn", "").used():
            during.append(setting())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert during == ["bf16"]
    assert setting() == before
    with Matmul("default", "").used():
        assert setting() == before


def watched(call: Callable[..., Any], seen: list[bool]) -> Callable[..., Any]:
    def watch(*arguments: Any, **options: Any) -> Any:
        seen.append(setting() == "bf16")
        return call(*arguments, **options)

    return watch


@pytest.mark.parametrize("asked", ["default", "onednn"])
def test_a_run_uses_what_it_says(
    toy: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: str
) -> None:
    settings = {"training.steps": 1, "training.fp32_matmul": asked}
    run = prepare(toy("text_classification", "bert", train=32, held_out=8, **settings))
    assert f"fp32 products: {asked} (as training.fp32_matmul says)" in capsys.readouterr().err
    assert json.loads((run.folder.path / "environment.json").read_text())["matmul"]["library"] == asked
    seen: list[bool] = []
    for name in ("loss", "predict"):
        monkeypatch.setattr(run.task, name, watched(getattr(run.task, name), seen))
    training.finish_run(training.fit(run))
    assert set(seen) == {asked == "onednn"}
