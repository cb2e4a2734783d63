"""Memory that does not suffice."""

import gc

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import PreTrainedModel

from finetune.errors import UserError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and should_reduce_batch_size(error)


def free_memory() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def recompute_activations(model: PreTrainedModel) -> None:
    """Compute activations a second time in the backward pass in place of keeping them.

    Raises:
        UserError: The model cannot.
    """
    try:
        model.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise UserError(
            f"{type(model).__name__} cannot compute its activations again",
            where="training.gradient_checkpointing",
            fix="training.gradient_checkpointing=false, and a smaller training.batch_size",
        ) from error


def out_of_memory(where: str) -> UserError:
    """A single example does not fit, or several processes cannot be brought back into step."""
    return UserError(
        f"memory does not suffice {where}",
        fix="training.gradient_checkpointing=true, a smaller training.batch_size (and a larger "
        "training.gradient_accumulation), shorter inputs, or a smaller model",
    )
