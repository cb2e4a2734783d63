"""Weights sharded by FSDP2 on a CPU, and the configuration of DeepSpeed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from accelerate.utils import DistributedType
from torch import nn
from torch.distributed import destroy_process_group, get_rank, get_world_size, init_process_group
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from finetune.errors import UserError
from finetune.hardware.sharding import set_up_deepspeed, whole_weights
from finetune.recipe import Training
from tests.training.processes import together

ROOT = Path(__file__).parent.parent.parent


def whole_where_sharded() -> int:
    """Spread a model, compute with all its weights on one process alone, and train it on."""
    init_process_group("gloo")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    inputs = torch.randn(3, 4)
    expected = model(inputs)
    mesh = init_device_mesh("cpu", (get_world_size(),))
    for layer in model:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    torch.autograd.backward(model(inputs).sum())
    assert isinstance(model[0].weight, DTensor)
    with whole_weights(model), torch.no_grad():
        if get_rank() == 0:  # alone: would wait for the others for ever if weights were spread
            for _ in range(2):
                torch.testing.assert_close(model(inputs), expected)
                torch.testing.assert_close(model[1](model[0](inputs)), expected)
    assert isinstance(model[0].weight, DTensor)
    torch.autograd.backward(model(inputs).sum())
    destroy_process_group()
    return 0


def test_fsdp2_gives_each_process_all_weights_for_evaluation(tmp_path: Path) -> None:
    assert together(whole_where_sharded, tmp_path, 2) == [0, 0], (tmp_path / "0.log").read_text()


def deepspeed(stage: int) -> Any:
    plugin = SimpleNamespace(zero_stage=stage, deepspeed_config={})
    state = SimpleNamespace(deepspeed_plugin=plugin)
    return cast("Any", SimpleNamespace(state=state, distributed_type=DistributedType.DEEPSPEED))


def test_deepspeed_leaves_the_mean_to_the_loop() -> None:
    accelerator = deepspeed(2)
    set_up_deepspeed(accelerator, Training(gradient_accumulation=4, max_grad_norm=0.5))
    config = accelerator.state.deepspeed_plugin.deepspeed_config
    assert (config["gradient_accumulation_steps"], config["gradient_clipping"]) == (1, 0.5)


def test_zero_stage_3_is_refused() -> None:
    with pytest.raises(UserError, match="ZeRO stage 3 is not supported") as caught:
        set_up_deepspeed(deepspeed(3), Training())
    assert (ROOT / str(caught.value.fix)).is_file()
