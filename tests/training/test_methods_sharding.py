"""Configuration files of accelerate, and weights spread by FSDP2 on a CPU."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command, launch_command_parser
from accelerate.utils import DistributedType
from torch import nn
from torch.distributed import destroy_process_group, get_rank, get_world_size, init_process_group
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from finetune import compose
from finetune.checkpointing.resume import command
from finetune.errors import UserError
from finetune.hardware.sharding import set_up_deepspeed, whole_weights
from finetune.recipe import Recipe, Training
from finetune.run import run_recipe
from tests.training.processes import together

ROOT = Path(__file__).parent.parent.parent
CONFIGS = sorted((ROOT / "configs" / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_reads_each_configuration(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert re.match(r"# .{20,}\.$", first), "its first line says when to use it"
    config = load_config_from_file(str(path))
    assert config.num_processes >= config.num_machines
    named = re.match(r"(?:nodes_2_)?(?:gpu|cpu)_(\d+)", path.stem)
    assert named is not None
    assert config.num_processes // config.num_machines == int(named[1])


def test_there_are_configurations() -> None:
    assert {"cpu_2", "gpu_1", "gpu_8_ddp", "gpu_8_fsdp2", "gpu_8_zero2", "nodes_2_gpu_8"} <= {p.stem for p in CONFIGS}


def test_two_processes_by_the_configuration_for_a_cpu_do_what_one_does(
    toy: Callable[..., Recipe], tmp_path: Path
) -> None:
    overrides = {"training.ema": 0.9, "training.class_weights": "balanced", "training.layer_decay": 0.9}
    overrides |= {"training.steps": 2, "training.batch_size": 6, "model.scratch.dropout": 0.0}
    overrides |= {"training.finished_checkpoints": "all"}
    recipe = toy("text_classification", "bert", train=24, held_out=7, **overrides)
    path = tmp_path / "recipe.yaml"
    path.write_text(compose.to_yaml(recipe))
    launcher = str(Path(sys.executable).parent / "accelerate")
    done = subprocess.run(
        [launcher, "launch", "--config_file", "configs/accelerate/cpu_2.yaml", "finetune/run.py", f"recipe={path}"],
        cwd=ROOT,
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    states = list((folder / "checkpoints").rglob("process_*.pt"))
    assert {path.name for path in states} == {"process_0.pt", "process_1.pt"}
    found = json.loads((folder / "results.json").read_text())["test"]
    alone = compose.override(recipe, {"training.batch_size": 12, "output_dir": str(tmp_path / "alone")})
    assert run_recipe(alone) == pytest.approx(found, rel=1e-4)


def started(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `accelerate launch` would start: arguments of torchrun, and the environment of the processes."""
    seen: dict[str, Any] = {}

    def start(arguments: Any) -> None:
        environment = {name: value for name, value in os.environ.items() if name.startswith(("ACCELERATE", "OMP"))}
        seen.update(vars(arguments), environment=environment)

    monkeypatch.setattr("torch.distributed.run.run", start)
    launch_command(launch_command_parser().parse_args(words))
    return seen


def test_the_printed_command_starts_what_the_configuration_for_a_cpu_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    printed = shlex.split(command(Path("runs/a b"), 2))
    assert printed[:3] == ["ACCELERATE_USE_CPU=true", "accelerate", "launch"]
    by_flags = started(printed[3:], monkeypatch)
    script = printed.index("finetune/run.py")
    configuration = str(ROOT / "configs" / "accelerate" / "cpu_2.yaml")
    assert started(["--config_file", configuration, *printed[script:]], monkeypatch) == by_flags
    assert by_flags["nproc_per_node"] == "2"
    assert by_flags["training_script_args"] == ["resume=runs/a b"]


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
