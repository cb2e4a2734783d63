"""Every kernel passes on the CPU, and a kernel that computes anything else does not."""

import itertools
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from finetune.attention.layout import ragged_mask
from finetune.attention.masks import parse
from scripts.gpu_checks import kernels
from scripts.gpu_checks.kernels import MAKERS, check_flex, check_kernels, compare, compare_masks
from scripts.gpu_checks.programs import ATOMS, FIRST, TERMS, Case, cases, random_case, random_text
from scripts.gpu_checks.reference import Attend, Inputs, dense, largest_error, outcome
from scripts.gpu_checks.results import Comparison
from scripts.gpu_checks.setting import Setting

TINY = Setting("cpu", quick=True)


@pytest.mark.parametrize("check", [check_kernels, check_flex])
def test_all_kernels_are_within_tolerance(check: Callable[..., object]) -> None:
    results = list(check(TINY))  # type: ignore[call-overload]
    assert all(isinstance(one, Comparison) and one.passed for one in results), [str(one) for one in results]
    names = {one.name.split(", case")[0] for one in results}
    expected = {f"{name}, {dtype}" for name in (*MAKERS, "decode") for dtype in ("fp32", "bf16")} | {"mask"}
    assert names == (expected if check is check_kernels else {"flex, fp32", "flex, bf16"})


@pytest.mark.parametrize("number", range(4))
def test_a_kernel_under_another_mask_fails(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(number, longest=40)
    case = Case(**{**vars(case), "text": "window(8)"})
    other = Case(**{**vars(case), "text": "window(8) & ~keys(1)"})
    monkeypatch.setitem(MAKERS, "other", lambda _, device: kernels.tiled(other, device, None))
    inputs = Inputs.of(case, "cpu", torch.float32)
    expected = outcome(dense(case, "cpu"), inputs)
    assert compare("tiled, blocks", case, inputs, expected).passed
    assert not compare("other", case, inputs, expected).passed


def test_a_mask_that_differs_in_one_pair_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(0, longest=20)
    assert compare_masks(case, "cpu").passed
    original = ragged_mask

    def other(*arguments: object, **options: object) -> Tensor:
        found: Tensor = original(*arguments, **options)  # type: ignore[arg-type]
        found = found.clone()
        found[0, 0, 0] = ~found[0, 0, 0]
        return found

    monkeypatch.setattr(kernels, "ragged_mask", other)
    assert not compare_masks(case, "cpu").passed


def test_numbers_that_are_none_and_rows_that_must_be_zero_fail() -> None:
    exact = torch.tensor([[[1.0], [0.0]]], dtype=torch.float64)
    assert largest_error([exact], [exact]) == 0
    assert not largest_error([exact * float("nan")], [exact]) <= 1
    assert largest_error([exact + torch.tensor([[[0.0], [1e-9]]])], [exact]) == float("inf")


def test_an_error_of_one_gradient_counts() -> None:
    case = Case(**{**vars(random_case(0, longest=20)), "text": "full()"})
    inputs = Inputs.of(case, "cpu", torch.float32)
    expected = outcome(dense(case, "cpu"), inputs)
    assert len(expected) == 5, "output, query, key, value and the bias table"
    for number in range(1, 5):
        found = list(expected)
        found[number] = found[number] * 1.01
        assert largest_error(found, expected) == pytest.approx(0.01, rel=1e-4)


def test_random_masks_can_be_read_and_hold_the_whole_language() -> None:
    texts = [random_text(random.Random(number), 3) for number in range(300)]
    assert all(parse(text).needs is not None for text in (*texts, *FIRST))
    assert all(any(f"{name}(" in text for text in texts) for name in (*ATOMS, "per_head"))
    drawn = list(itertools.islice(cases(60, 20), 60))
    assert {case.is_cross for case in drawn} == {case.has_bias for case in drawn} == {False, True}
    assert all(any(case.text.endswith(f"+ {term}") for case in drawn) for term in TERMS)
    assert [case.text for case in drawn[: len(FIRST)]] == list(FIRST)


def attend_in(dtype: torch.dtype) -> Attend:
    return lambda query, key, value, table: value.to(dtype)


def test_the_forward_pass_alone_can_be_compared() -> None:
    inputs = Inputs.of(random_case(1, longest=5), "cpu", torch.float32)
    assert len(outcome(attend_in(torch.float32), inputs, backward=False)) == 1
