"""Models agree with themselves on the CPU, and do not under another program of masks."""

import pytest

from scripts.gpu_checks import models
from scripts.gpu_checks.models import FAMILIES, PROGRAMS, TOLERANCES, check_models, compare_generation, computed
from scripts.gpu_checks.results import Comparison
from scripts.gpu_checks.setting import Setting

TINY = Setting("cpu", quick=True)


def test_all_models_are_within_tolerance() -> None:
    results = list(check_models(TINY))
    assert all(isinstance(one, Comparison) and one.passed for one in results), [str(one) for one in results]
    assert len(results) == len(FAMILIES) * len(PROGRAMS) * 2 * len(TOLERANCES) + 2


@pytest.mark.parametrize("family", FAMILIES)
def test_another_program_is_not(family: str) -> None:
    expected = computed(family, "standard", "padded", "fp64", "cpu")
    found = computed(family, "window", "ragged", "fp64", "cpu")
    assert models.largest_error(found, expected) > 10 * TOLERANCES["fp32"]


def test_other_texts_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare_generation(4, TINY).passed
    original = models.generated
    calls = []

    def other(device: str, beams: int, *, large: bool) -> object:
        calls.append(device)
        return original(device, beams, large=large) + len(calls) - 1

    monkeypatch.setattr(models, "generated", other)
    assert not compare_generation(1, TINY).passed
