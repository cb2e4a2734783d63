"""Memory that is used again in place of being given back and asked for, on CPU."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = 2**31 - 1  # bytes


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
    return mallopt is not None and all(mallopt(key, _NEVER) == 1 for key in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
