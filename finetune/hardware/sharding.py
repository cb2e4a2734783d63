"""What FSDP and DeepSpeed need that DDP does not.

The code follows the libraries' own code. FSDP2 is tested on a CPU only; DeepSpeed has not been run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import nn
from torch.distributed.fsdp import FSDPModule, FullyShardedDataParallel
from torch.nn.parallel import DistributedDataParallel

from finetune.errors import UserError
from finetune.recipe import Training


def is_plain(accelerator: Accelerator) -> bool:
    """Return whether each process has all weights and gradients as plain tensors, and gradients are not scaled.

    accelerate's `backward` and `step` then only call those of torch, after a millisecond in which they look for
    installed packages; so the loop calls those of torch itself.
    """
    plain = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
    return accelerator.distributed_type in plain and accelerator.scaler is None


def set_up_deepspeed(accelerator: Accelerator, training: Training) -> None:
    """Set the entries of DeepSpeed's configuration that accelerate would read from a data loader.

    DeepSpeed must not average losses, since the loop divides them by the number of targets.

    Args:
        accelerator: The accelerator of the run; without DeepSpeed nothing is done.
        training: The recipe's `training` section, whose key `max_grad_norm` is read.

    Raises:
        UserError: ZeRO stage 3 is configured: processes could not evaluate different examples at the same time.
    """
    plugin = accelerator.state.deepspeed_plugin if accelerator.distributed_type == DistributedType.DEEPSPEED else None
    if plugin is None:
        return
    if plugin.zero_stage == 3:
        raise UserError(
            "DeepSpeed's ZeRO stage 3 is not supported: it spreads weights, which each process needs whole to evaluate",
            where="--config_file",
            expected="ZeRO stage 0 to 2, or FSDP2, which spreads weights too",
            fix="configs/accelerate/gpu_8_fsdp2.yaml",
        )
    plugin.deepspeed_config |= {
        "train_micro_batch_size_per_gpu": 1,  # used only in DeepSpeed's own counts
        "gradient_accumulation_steps": 1,  # a greater number would divide the loss a second time
        "gradient_clipping": training.max_grad_norm or 0.0,
    }


def keep_buffers(model: nn.Module) -> None:
    """Turn off DDP's broadcast of buffers, as the buffers of these models are constants.

    With the broadcast before each forward pass, one process would wait for another that has run out of memory.
    """
    if isinstance(model, DistributedDataParallel):
        model.broadcast_buffers = False


@contextmanager
def exchanging(accelerator: Accelerator, model: nn.Module, *, exchanges: bool) -> Iterator[None]:
    """Let backward passes inside this block exchange gradients between processes, or not.

    Args:
        accelerator: The accelerator of the run.
        model: The model as accelerate wrapped it.
        exchanges: Whether gradients are exchanged.
    """
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        # DeepSpeed takes its optimizer step in the pass that exchanges; its no_sync does not support ZeRO stage 2.
        accelerator.gradient_state._set_sync_gradients(exchanges)
        try:
            yield
        finally:
            accelerator.gradient_state._set_sync_gradients(True)
    elif exchanges:
        yield
    else:
        with accelerator.no_sync(model):
            yield


@contextmanager
def whole_weights(model: nn.Module) -> Iterator[None]:
    """Give each process all weights inside this block, so that it can compute and generate without the others."""
    if any(isinstance(module, FullyShardedDataParallel) for module in model.modules()):
        with FullyShardedDataParallel.summon_full_params(model, writeback=False):
            yield
        return
    parts: list[Any] = [module for module in model.modules() if isinstance(module, FSDPModule)]
    before = [_reshards(part) for part in parts]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part, reshards in zip(parts, before, strict=True):
            part.set_reshard_after_forward(reshards, recurse=False)
            part.reshard()
            _forget_forwards(part)


def _forget_forwards(part: Any) -> None:
    """Clear the record of forward passes that had no backward pass.

    FSDP2 prefetches weights in the recorded order, which would differ between processes and block them.
    """
    group = part._get_fsdp_state()._fsdp_param_group
    if group is not None:
        group._post_forward_indices.clear()
        group.comm_ctx.post_forward_order.clear()


def _reshards(part: Any) -> bool:
    group = part._get_fsdp_state()._fsdp_param_group
    return group is None or group.post_forward_mesh_info is not None
