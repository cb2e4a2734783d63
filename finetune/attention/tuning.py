"""A switch for what kernels and streams do on a CPU to be fast: off, they compute as torch does by itself.

Two things obey it: size bucketing of streams (`pretrained.size_bucketing`), and the library that multiplies the
matrices of small tiles (`kernels.tiled`). Both change results by rounding alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager

_is_enabled = True


def is_cpu_tuned() -> bool:
    """Return whether the switch is on, as it is outside `cpu_tuning`."""
    return _is_enabled


@contextmanager
def cpu_tuning(*, enabled: bool) -> Iterator[None]:
    """Set the switch inside the block, for all threads of the process.

    Args:
        enabled: Whether CPU tuning is on.
    """
    global _is_enabled  # noqa: PLW0603 (as torch.backends' own switches)
    before, _is_enabled = _is_enabled, enabled
    try:
        yield
    finally:
        _is_enabled = before
