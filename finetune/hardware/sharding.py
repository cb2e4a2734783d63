"""What FSDP and DeepSpeed want otherwise than DDP.

Never run on a GPU, and DeepSpeed never at all: written after the libraries' own code. FSDP2 is tested on a CPU.
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
    """Whether weights and gradients are torch's own, whole on each process, and unscaled.

    accelerate's backward and step do nothing then but look for packages on the disk, for a millisecond each time.
    """
    plain = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
    return accelerator.distributed_type in plain and accelerator.scaler is None


def set_up_deepspeed(accelerator: Accelerator, training: Training) -> None:
    """Tell DeepSpeed what it would ask a data loader for, and leave the averaging of losses to the loop.

    Raises:
        UserError: ZeRO stage 3, under which processes cannot evaluate each its own examples.
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
        "train_micro_batch_size_per_gpu": 1,  # for DeepSpeed's own counts alone
        "gradient_accumulation_steps": 1,  # more would divide the loss a second time
        "gradient_clipping": training.max_grad_norm or 0.0,
    }


def keep_buffers(model: nn.Module) -> None:
    """Have DDP leave each process its own buffers: these models' buffers are constants.

    Sending them before each forward pass would leave one process waiting for another that runs out of memory.
    """
    if isinstance(model, DistributedDataParallel):
        model.broadcast_buffers = False


@contextmanager
def exchanging(accelerator: Accelerator, model: nn.Module, *, exchanges: bool) -> Iterator[None]:
    """A backward pass in this block exchanges gradients between processes, or does not."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        # DeepSpeed steps within the pass that exchanges, and its own no_sync is not for ZeRO stage 2.
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
    """Each process has all weights in this block, so that it can compute and generate without the others."""
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
    """Forget forward passes without a backward one: FSDP2 would gather ahead by them, each process by its own."""
    group = part._get_fsdp_state()._fsdp_param_group
    if group is not None:
        group._post_forward_indices.clear()
        group.comm_ctx.post_forward_order.clear()


def _reshards(part: Any) -> bool:
    group = part._get_fsdp_state()._fsdp_param_group
    return group is None or group.post_forward_mesh_info is not None
