"""The precision of the matrix products, chosen where the recipe leaves it open."""

import os
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.utils import parse_flag_from_env

from finetune.errors import UserError

_TOLD = "ACCELERATE_MIXED_PRECISION"
_ASKED = "as training.precision says"
_FIRST_FAST_CUDA = (8, 0)
"""Compute capability of the first NVIDIA GPUs (Ampere) whose tensor cores take bf16."""


@dataclass(frozen=True)
class Precision:
    """A precision (fp32, bf16, fp16, or another of accelerate's) and why it was taken."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"

    def accelerator(self) -> Accelerator:
        """An accelerator that computes so.

        Raises:
            UserError: This machine does not.
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
    """The precision that is asked for, or for auto the fastest that trains as well as fp32.

    For auto, accelerate's --mixed_precision comes first. It has no word for not given: `no` is what it says then, so
    that `no` does not count. The machine is asked for what it can do rather than timed, so that the same machine always
    computes the same.

    Args:
        asked: A precision, auto, or None for what accelerate was told.
    """
    told = os.environ.get(_TOLD, "no")
    if asked not in ("auto", None):
        return Precision(asked, _ASKED)
    if asked is None or told != "no" or parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
        return Precision("fp32" if told == "no" else told, "as accelerate was told")
    if hardware := _multiplies_bf16_fast():
        return Precision("bf16", f"fast on {hardware}; training.precision=fp32 for more digits")
    return Precision("fp32", "no hardware here that multiplies bf16 fast")


def _multiplies_bf16_fast() -> str | None:
    """The hardware that does so, if what the run computes on does."""
    if torch.accelerator.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU"):
        return _fast_gpu()
    # torch has no public question for what a CPU can do.
    if torch.cpu._is_amx_tile_supported():
        return "CPUs with AMX"
    return "CPUs with AVX-512 BF16" if torch.cpu._is_avx512_bf16_supported() else None


def _fast_gpu() -> str | None:
    if not torch.cuda.is_available() or not torch.cuda.is_bf16_supported(including_emulation=False):
        return None
    return torch.cuda.get_device_name() if torch.cuda.get_device_capability() >= _FIRST_FAST_CUDA else None
