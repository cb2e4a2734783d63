"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import psutil, torch
from finetune.hardware.allocator import keep_memory
if {keep}: assert keep_memory()
torch.ones(2**26, dtype=torch.uint8)
print(psutil.Process().memory_info().rss)
"""


def held(keep: bool) -> int:
    """Bytes that a process holds after it has freed 64 MiB."""
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(keep=keep)], capture_output=True, text=True, check=True
    )
    return int(output.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own way")
def test_large_tensors_are_not_given_back() -> None:
    assert held(True) - held(False) > 2**25
