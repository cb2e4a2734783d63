"""Batches ahead: the same ones in the same order, and no thread left behind, however the loop ends."""

import threading
import time
from collections.abc import Iterator

import pytest

from finetune.hardware.prefetch import prefetch


def threads() -> int:
    return sum(thread.name.startswith("prefetch") for thread in threading.enumerate())


def slow_square(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number * number


@pytest.mark.parametrize("ahead", [0, 1, 4, 100])
def test_order_is_kept(ahead: int) -> None:
    assert list(prefetch(slow_square, range(20), ahead=ahead)) == [number * number for number in range(20)]
    assert threads() == 0


def test_no_more_is_made_ahead_than_asked_for() -> None:
    made: list[int] = []
    results = prefetch(made.append, range(100), ahead=3)
    next(results)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]
    results.close()
    assert threads() == 0


def test_results_are_made_while_the_loop_is_busy() -> None:
    ready = threading.Event()

    def make(number: int) -> int:
        if number == 1:
            ready.set()
        return number

    results = prefetch(make, range(3), ahead=1)
    next(results)
    assert ready.wait(timeout=10)
    results.close()


def test_an_error_is_raised_where_its_result_would_be() -> None:
    def make(number: int) -> float:
        return 1 / (number - 2)

    results = prefetch(make, range(5), ahead=4)
    assert [next(results), next(results)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert threads() == 0


def test_an_error_of_what_is_asked_for_is_raised_too() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    results = prefetch(slow_square, numbers(), ahead=4)
    with pytest.raises(RuntimeError, match="no more"):
        list(results)
    assert threads() == 0


def test_a_generator_that_is_dropped_ends_its_thread() -> None:
    results = prefetch(slow_square, range(100), ahead=4)
    next(results)
    del results
    assert threads() == 0
