"""Handling of a lack of memory."""

import gc

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import PreTrainedModel

from finetune.errors import UserError
from finetune.recipe import Training


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
            fix="training.gradient_checkpointing=false, and smaller batches",
        ) from error


def out_of_memory(where: str, training: Training | None = None) -> UserError:
    """Return the error to raise when memory does not suffice and smaller micro-batches cannot help.

    Args:
        where: When it happened, for the message: `at step 3, for a single example`.
        training: The recipe's `training` section, where a smaller batch would help; None where a batch is as small as
            it can be.
    """
    ways = ["training.gradient_checkpointing=true", "shorter inputs", "a smaller model"]
    if training is not None:
        key, size = batch_key(training)
        if size > 1:
            smaller = f"training.{key}={size // 2} (it is {size})"
            more = f"training.gradient_accumulation={2 * training.gradient_accumulation} for the same gradient"
            ways.insert(0, f"{smaller} with {more}")
    return UserError(f"memory does not suffice {where}", fix=", ".join(ways[:-1]) + f", or {ways[-1]}")


def batch_key(training: Training) -> tuple[str, int]:
    """Return the key of `training` that says how large a batch is, and its value: examples or tokens."""
    if training.tokens_per_batch is not None:
        return "tokens_per_batch", training.tokens_per_batch
    return "batch_size", training.batch_size
