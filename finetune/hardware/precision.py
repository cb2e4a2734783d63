"""The precision of matrix products, chosen by the hardware for `training.precision=auto`."""

import os
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.utils import parse_flag_from_env

from finetune.errors import UserError

_VARIABLE = "ACCELERATE_MIXED_PRECISION"
_ASKED = "as training.precision says"
_FIRST_FAST_CUDA = (8, 0)
"""Compute capability of the first NVIDIA GPUs (Ampere) whose tensor cores take bf16."""


@dataclass(frozen=True)
class Precision:
    """A precision (fp32, bf16, fp16, or another one of accelerate) and why it was chosen."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"

    def accelerator(self) -> Accelerator:
        """Return an accelerator that computes in this precision.

        Raises:
            UserError: This machine does not support the precision.
        """
        name = "no" if self.name == "fp32" else self.name
        if is_initialized() and AcceleratorState().mixed_precision != name:
            AcceleratorState._reset_state()  # an earlier run of this Python process had another
        try:
            accelerator = Accelerator(mixed_precision=name)
        except ValueError as error:
            raise self._refused(str(error)) from error
        if name == "fp16" and accelerator.device.type == "cpu":  # accelerate would compute in fp32 and not say so
            raise self._refused("a CPU")
        return accelerator

    def _refused(self, found: str) -> UserError:
        return UserError(
            f"this machine does not compute in {self.name}",
            found=found,
            where="training.precision" if self.why == _ASKED else "--mixed_precision",
            fix="training.precision=bf16 or fp32",
        )


def choose_precision(asked: str | None) -> Precision:
    """Return the precision that the recipe names, or for `auto` the fastest one that trains as well as fp32.

    For `auto`, a precision that was given to accelerate by --mixed_precision is used first. accelerate's value `no` may
    also mean that none was given, so that it does not count. The choice depends on the features of the hardware and not
    on a time measurement, so that the same machine always computes the same.

    Args:
        asked: Value of `training.precision`: a precision, `auto`, or None for the precision given to accelerate.
    """
    given = os.environ.get(_VARIABLE, "no")
    if asked not in ("auto", None):
        return Precision(asked, _ASKED)
    if asked is None or given != "no" or parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
        return Precision("fp32" if given == "no" else given, "as accelerate was told")
    if hardware := _multiplies_bf16_fast():
        return Precision("bf16", f"fast on {hardware}; training.precision=fp32 for more digits")
    return Precision("fp32", "no hardware here that multiplies bf16 fast")


def _multiplies_bf16_fast() -> str | None:
    """Return the name of the hardware that the run computes on if it multiplies bf16 fast; otherwise None."""
    if torch.accelerator.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU"):
        return _fast_gpu()
    # torch has no public functions for the features of a CPU.
    if torch.cpu._is_amx_tile_supported():
        return "CPUs with AMX"
    return "CPUs with AVX-512 BF16" if torch.cpu._is_avx512_bf16_supported() else None


def _fast_gpu() -> str | None:
    if not torch.cuda.is_available() or not torch.cuda.is_bf16_supported(including_emulation=False):
        return None
    return torch.cuda.get_device_name() if torch.cuda.get_device_capability() >= _FIRST_FAST_CUDA else None
