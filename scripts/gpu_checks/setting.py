"""The device and the sizes that parts of the GPU check run with."""

import importlib.util
import os
import platform
import shutil
import time
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import torch

PACKAGES = ("torch", "transformers", "accelerate", "numpy", "triton", "flash_attn", "pydantic", "datasets", "evaluate")
"""Packages whose versions are reported."""
TRAINING_PACKAGES = ("accelerate", "datasets", "evaluate", "pydantic", "pyarrow", "rich", "safetensors", "yaml")
"""Packages without which finetune.training cannot be imported."""


@dataclass(frozen=True)
class Setting:
    """How a part is run.

    Args:
        device: Type of the device, "cuda" or "cpu".
        quick: Whether sizes are small and rounds are few.
        deadline: The time, as `time.monotonic` counts, after which nothing more is begun.
    """

    device: str
    quick: bool
    deadline: float = float("inf")

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device == "cuda"

    @property
    def tiny(self) -> bool:
        """Whether sizes are those of a test on a CPU, which show that everything runs."""
        return not self.on_gpu

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


def why_not_compiled(setting: Setting) -> str | None:
    """Return why FlexAttention cannot be compiled with its backward pass here; None where it can be."""
    if not setting.on_gpu:
        return "FlexAttention has no backward pass on a CPU"
    if not is_installed("triton"):
        return "FlexAttention needs triton, which is not installed"
    if not any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))):
        return "FlexAttention is compiled by triton, which needs a C compiler, and there is none"
    return None


def is_installed(package: str) -> bool:
    """Return whether a package can be found, without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # a package that a test or a user has blocked
        return False


def missing_for_training() -> list[str]:
    """Return the packages that finetune.training needs and that are not installed."""
    return [package for package in TRAINING_PACKAGES if not is_installed(package)]


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None without one."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe(device: str) -> dict[str, Any]:
    """Return what the report says of the machine: the device, its memory in GiB, versions, and missing packages."""
    found: dict[str, Any] = {
        "device": device,
        "name": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "cpu_threads": os.cpu_count(),
        "versions": {package: version_of(package) for package in PACKAGES},
        "missing": missing_for_training(),
    }
    if device == "cuda":
        properties: Any = torch.cuda.get_device_properties(0)
        found |= {
            "name": properties.name,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
        }
    return found
