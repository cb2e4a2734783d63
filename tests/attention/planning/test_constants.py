"""What a predicate reads is found, and a predicate whose results may change is known as such."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from finetune.attention.planning.constants import NotConstantError, read_constants

RADIUS = 3
SETTINGS = {"radius": 3}


def near(q: Any, k: Any) -> Any:
    return helper(q - k) <= RADIUS


def helper(distance: Any) -> Any:
    return torch.abs(distance) * math.floor(1.5)


def reads_a_dictionary(q: Any, k: Any) -> Any:
    return q - k <= SETTINGS["radius"]


def nested(q: Any, k: Any) -> Any:
    return sum(q - k <= SETTINGS["radius"] for _ in range(2))


def draws(q: Any, k: Any) -> Any:
    return torch.rand(3) < 0.5


def imports(q: Any, k: Any) -> Any:
    from tests.attention.planning import test_heads

    return q == test_heads


def imports_torch(q: Any, k: Any) -> Any:
    import torch

    return torch.abs(q - k) <= 2


def unbound() -> Callable[..., Any]:
    def predicate(q: Any, k: Any) -> Any:
        return q == later  # noqa: F821

    later = 0
    del later
    return predicate


def test_a_global_number_is_read_also_through_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_constants(near)
    assert before == read_constants(near)
    monkeypatch.setitem(near.__globals__, "RADIUS", 4)
    assert read_constants(near) != before
    monkeypatch.setitem(near.__globals__, "RADIUS", 3.0)
    assert read_constants(near) != before, "numbers that are equal may compute differently"
    monkeypatch.setitem(near.__globals__, "RADIUS", 3)
    monkeypatch.setitem(near.__globals__, "helper", lambda distance: distance)
    assert read_constants(near) != before


def test_variables_of_an_enclosing_function_and_defaults_are_read() -> None:
    def within(radius: int) -> Callable[..., Any]:
        return lambda q, k: q - k <= radius

    def with_default(q: Any, k: Any, radius: int = 3, *, other: int = 1) -> Any:
        return q - k <= radius + other

    closed = within(3)
    before = read_constants(closed)
    assert before == read_constants(closed)
    closed.__closure__[0].cell_contents = 4  # type: ignore[index]
    assert read_constants(closed) != before
    before = read_constants(with_default)
    with_default.__kwdefaults__ = {"other": 2}
    assert read_constants(with_default) != before
    assert read_constants(imports_torch)


@pytest.mark.parametrize("predicate", [reads_a_dictionary, nested, draws, imports, unbound(), RADIUS, print])
def test_what_may_change_is_not_taken_for_constant(predicate: Any) -> None:
    with pytest.raises(NotConstantError):
        read_constants(predicate)


def test_a_function_that_calls_itself_is_read_once() -> None:
    def again(q: Any, k: Any) -> Any:
        return again(q, k) if q is None else q == k

    assert read_constants(again)
