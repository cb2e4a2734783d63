import time
from functools import partial
from io import StringIO

import pytest
from rich.console import Console

from scripts.benchmarking import Spread, Timings, interleave, machine, peak_memory, print_table

MEBIBYTE = 2**20


def test_a_spread_holds_median_and_quartiles_and_takes_a_single_value() -> None:
    assert Spread.of([5, 1, 3, 2, 4]) == Spread(2, 3, 4)
    assert Spread.of([7.0]) == Spread(7, 7, 7)


def test_a_speedup_is_taken_round_by_round() -> None:
    timings = Timings({"slow": [2.0, 40.0, 6.0], "fast": [1.0, 10.0, 2.0]})
    assert timings.speedup("fast", over="slow").median == 3
    assert timings.speedup("slow", over="slow") == Spread(1, 1, 1)


def test_every_way_is_timed_once_a_round_and_warmed_up() -> None:
    calls: list[str] = []
    timings = interleave({"a": partial(calls.append, "a"), "b": partial(calls.append, "b")}, rounds=6, warmup=2)
    assert calls[:4] == ["a", "a", "b", "b"]
    rounds = [calls[start : start + 2] for start in range(4, len(calls), 2)]
    assert all(sorted(each) == ["a", "b"] for each in rounds)
    assert len({tuple(each) for each in rounds}) == 2, "the order does not change"
    assert {name: len(seconds) for name, seconds in timings.seconds.items()} == {"a": 6, "b": 6}


def test_what_takes_longer_is_found_slower() -> None:
    timings = interleave({"sleep": partial(time.sleep, 0.02), "nothing": int}, rounds=3, warmup=0)
    assert timings.speedup("nothing", over="sleep").median > 2


@pytest.mark.slow
def test_peak_memory_is_that_of_the_call_in_its_own_process() -> None:
    held_here = bytearray(300 * MEBIBYTE)
    assert len(held_here)
    assert 95 <= peak_memory(partial(bytearray, 100 * MEBIBYTE)) < 200


def test_a_table_says_where_it_was_measured() -> None:
    text = StringIO()
    print_table("Sizes", ["name", "ratio"], [["one", Spread(1, 2, 3)]], Console(file=text, width=200))
    assert "2 (1 to 3)" in text.getvalue()
    assert machine() in text.getvalue()
