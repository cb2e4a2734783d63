"""CPU tuning: everything that a run does to be fast on a CPU, which `training.cpu_tuning=false` turns off.

| what | where |
|---|---|
| freed memory is kept for the next step | allocator |
| a single process of `accelerate launch` uses all cores | here |
| fp32 products are computed by the faster library | matmul |
| dropout draws eight random numbers at a time | dropout |
| gradients of embeddings are sparse during the backward pass | embeddings |
| streams are padded to sizes that repeat, and small products of attention are computed by MKL | finetune.attention |
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn

from finetune.attention.tuning import cpu_tuning
from finetune.hardware.allocator import keep_memory
from finetune.hardware.matmul import DEFAULT, Matmul, choose_matmul
from finetune.hardware.precision import Precision
from finetune.recipe import Training


def tune_process(accelerator: Accelerator) -> None:
    """Set how memory is freed and the number of threads, for the rest of the process."""
    if accelerator.device.type != "cpu":
        return
    keep_memory()
    is_launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    if is_launched and accelerator.num_processes == 1 and os.environ.get("OMP_NUM_THREADS") == "1":
        # `accelerate launch` gives a single process one thread, whatever the number of cores.
        torch.set_num_threads(_cores())


def choose_shared_matmul(
    training: Training, model: nn.Module, accelerator: Accelerator, precision: Precision
) -> Matmul:
    """Return the library for fp32 products, which the main process chooses for all processes.

    The other processes wait meanwhile, so that they do not disturb the time measurement.

    Args:
        training: The recipe's `training` section.
        model: The model, whose linear layers give the shapes that are measured.
        accelerator: The accelerator of the run.
        precision: The precision of the run.
    """
    applies = precision.name == "fp32" and accelerator.device.type == "cpu"
    chosen: list[Matmul] = [DEFAULT]
    if accelerator.is_main_process:
        chosen = [
            choose_matmul(training.fp32_matmul, model, computes_fp32_on_cpu=applies, is_tuned=training.cpu_tuning)
        ]
    broadcast_object_list(chosen)
    return chosen[0]


@contextmanager
def tuned(matmul: Matmul, *, enabled: bool) -> Iterator[None]:
    """Compute with CPU tuning inside this block; on a GPU nothing changes.

    Args:
        matmul: The library for fp32 products.
        enabled: Whether CPU tuning is on; False applies `matmul` alone.
    """
    with cpu_tuning(enabled=enabled), matmul.used():
        yield


def _cores() -> int:
    """Return the number of physical cores that this process may use."""
    physical = psutil.cpu_count(logical=False) or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
    return min(physical, allowed)
