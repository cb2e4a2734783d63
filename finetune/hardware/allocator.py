"""Memory that is used again in place of being given back and asked for, on CPU."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = 2**31 - 1  # bytes
_MOST = 2**25
"""Bytes from which on memory is asked for by itself, at the most that versions of glibc take that do not take more."""


def keep_memory() -> bool:
    """Let glibc keep freed memory for the next step; gives whether it does.

    By default it hands every large tensor back to the system when it is freed, and the system clears each page again
    when the next step asks for it: a tenth of a small model's step, most of it for the gradient of its embeddings. The
    process then holds on to as much memory as it ever needed.

    Source: mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or mallopt(_TRIM_THRESHOLD, _NEVER) != 1:
        return False
    return any(mallopt(_MMAP_THRESHOLD, size) == 1 for size in (_NEVER, _MOST))
