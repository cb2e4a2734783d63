"""Times, memory and the peak speed of matrix products on the device."""

from collections.abc import Callable, Mapping

import torch

from scripts.benchmarking import Spread, Timings, interleave, time_once
from scripts.gpu_checks.results import Measurement, Results
from scripts.gpu_checks.setting import Setting


def measure_matmul(setting: Setting) -> Results:
    """Measure the speed of the largest product of square bf16 matrices, the peak that shares are taken of."""
    yield Measurement("bf16 matrix product", matmul_speed(setting), "TFLOP/s")


def matmul_speed(setting: Setting) -> Spread:
    """Return the speed of a product of square bf16 matrices, in 10**12 operations a second."""
    size, rounds = (128, 3) if setting.tiny else (8192, 20)
    left, right = (torch.randn(size, size, device=setting.device, dtype=torch.bfloat16) for _ in range(2))

    def products() -> None:
        for _ in range(10):
            torch.mm(left, right)

    for _ in range(3):  # clocks rise
        products()
    operations = 10 * 2 * size**3
    return Spread.of([operations / time_once(products) / 1e12 for _ in range(rounds)])


def rounds_that_fit(ways: Mapping[str, Callable[[], object]], seconds: float, most: int) -> int:
    """Return how many rounds of all ways fit into some time, at least 1 and at most `most`.

    Args:
        ways: The functions, each of which is called once, and is warm then.
        seconds: The time.
        most: The largest number of rounds.
    """
    one_round = sum(time_once(way) for way in ways.values())
    return max(1, int(min(most, seconds / max(one_round, 1e-9))))


def take_turns(ways: Mapping[str, Callable[[], object]], seconds: float, most: int) -> Timings:
    """Time alternatives in turn for about some time, each of them warm.

    Args:
        ways: The functions, by name.
        seconds: About how long all rounds may take.
        most: The largest number of rounds.
    """
    return interleave(ways, rounds_that_fit(ways, seconds, most), warmup=0)


def peak_gib(function: Callable[[], object]) -> float:
    """Return by how many GiB a call raises the memory that tensors of the GPU take, at its peak."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    function()
    torch.cuda.synchronize()
    return float((torch.cuda.max_memory_allocated() - before) / 2**30)
