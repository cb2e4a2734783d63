"""A switch that turns the tuning for CPUs on and off.

It has effect on the size bucketing of streams (`pretrained.size_bucketing`) and on the library that multiplies small
matrices (`kernels.tiled`). Both change results by rounding errors only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

_is_enabled = True


def is_cpu_tuned() -> bool:
    """Return whether CPU tuning is on. It is, except inside `cpu_tuning(enabled=False)`."""
    return _is_enabled


@contextmanager
def cpu_tuning(*, enabled: bool) -> Iterator[None]:
    """Turn CPU tuning on or off inside a `with` block, for all threads of the process.

    Args:
        enabled: Whether CPU tuning is on.
    """
    global _is_enabled  # noqa: PLW0603 (as torch.backends' own switches)
    before, _is_enabled = _is_enabled, enabled
    try:
        yield
    finally:
        _is_enabled = before
