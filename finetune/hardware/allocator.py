"""Settings of the C library's memory allocator, so that freed memory is used again on a CPU."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = 2**31 - 1  # bytes: larger than any block that is freed
_MOST = 2**25
"""The greatest threshold in bytes for mmap that all versions of glibc accept."""


def keep_memory() -> bool:
    """Let glibc keep freed memory for the next step, and return whether it does.

    By default, glibc returns the memory of every large tensor to the operating system when the tensor is freed, and the
    system zeroes each page again when the next step needs it. This takes a tenth of the step of a small model, most of
    it for the gradient of the embeddings. The process then keeps as much memory as it has ever needed.

    Source: mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or mallopt(_TRIM_THRESHOLD, _NEVER) != 1:
        return False
    return any(mallopt(_MMAP_THRESHOLD, size) == 1 for size in (_NEVER, _MOST))
