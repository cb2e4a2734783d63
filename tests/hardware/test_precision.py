"""Precision: what is asked for, else what accelerate was told, else what the hardware is fast at."""

import json
from collections.abc import Callable

import pytest
import torch

from finetune import training
from finetune.compose import override
from finetune.errors import UserError
from finetune.hardware.precision import choose_precision
from finetune.recipe import Recipe
from finetune.training.run import prepare


@pytest.fixture(autouse=True)
def _plain_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU with nothing special, started without accelerate."""
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)


def test_a_cpu_without_bf16_computes_in_fp32() -> None:
    assert choose_precision("auto").name == "fp32"


@pytest.mark.parametrize(
    ("question", "why"), [("_is_amx_tile_supported", "AMX"), ("_is_avx512_bf16_supported", "AVX-512")]
)
def test_a_cpu_that_multiplies_bf16_fast_does_so(monkeypatch: pytest.MonkeyPatch, question: str, why: str) -> None:
    monkeypatch.setattr(torch.cpu, question, lambda: True)
    chosen = choose_precision("auto")
    assert chosen.name == "bf16"
    assert why in str(chosen)
    assert choose_precision("fp32").name == "fp32"
    assert choose_precision(None).name == "fp32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_is_asked_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)  # of no matter
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: not including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    assert choose_precision("auto").name == expected


@pytest.mark.parametrize("told", ["fp16", "bf16", "fp8"])
def test_what_accelerate_was_told_comes_first(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", told)
    assert choose_precision("auto").name == choose_precision(None).name == told
    assert choose_precision("fp32").name == "fp32"


def test_accelerates_word_for_not_told_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert choose_precision("auto").name == "bf16"
    assert choose_precision(None).name == "fp32"


def test_a_run_says_which_and_why_and_keeps_it(
    toy: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    for asked, name in (("fp32", "fp32"), ("auto", "bf16"), ("fp32", "fp32")):  # one after another in one process
        settings = {"training.precision": asked, "training.steps": 1}
        run = prepare(toy("text_classification", "bert", train=32, held_out=8, **settings))
        assert f"precision: {name} (" in capsys.readouterr().err
        assert json.loads((run.folder.path / "environment.json").read_text())["precision"]["name"] == name
        training.fit(run)
        assert (run.accelerator.mixed_precision == "bf16") == (name == "bf16")


def test_fp16_is_refused_on_a_cpu_whoever_asks_for_it(
    toy: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8)
    with pytest.raises(UserError, match=r"where: +training\.precision"):
        prepare(override(recipe, {"training.precision": "fp16"}))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(UserError, match=r"where: +--mixed_precision"):
        prepare(override(recipe, {"training.precision": "auto"}))
    assert not recipe.output_dir.exists()
