"""Handling of a lack of memory."""

import gc

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import PreTrainedModel

from finetune.errors import UserError


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception reports a lack of memory, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and should_reduce_batch_size(error)


def free_memory() -> None:
    """Collect garbage, and return cached memory of the GPU to the driver."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def recompute_activations(model: PreTrainedModel) -> None:
    """Turn on gradient checkpointing: activations are computed again in the backward pass rather than kept.

    Raises:
        UserError: The model does not support it.
    """
    try:
        model.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise UserError(
            f"{type(model).__name__} does not support gradient checkpointing",
            where="training.gradient_checkpointing",
            fix="training.gradient_checkpointing=false, and a smaller training.batch_size",
        ) from error


def out_of_memory(where: str) -> UserError:
    """Return the error to raise when memory does not suffice and smaller micro-batches cannot help.

    Args:
        where: When it happened, for the message: `at step 3, for a single example`.
    """
    return UserError(
        f"memory does not suffice {where}",
        fix="training.gradient_checkpointing=true, a smaller training.batch_size (and a larger "
        "training.gradient_accumulation), shorter inputs, or a smaller model",
    )
