"""Configuration files of accelerate, and weights spread by FSDP2 on a CPU."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command, launch_command_parser

from finetune import compose
from finetune.checkpointing.resume import command
from finetune.recipe import Recipe
from finetune.run import run_recipe

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
    printed = shlex.split(command(compose.compose(["recipe=sst2"]), Path("runs/a b"), 2))
    assert printed[:3] == ["ACCELERATE_USE_CPU=true", "accelerate", "launch"]
    by_flags = started(printed[3:], monkeypatch)
    script = printed.index("finetune/run.py")
    configuration = str(ROOT / "configs" / "accelerate" / "cpu_2.yaml")
    assert started(["--config_file", configuration, *printed[script:]], monkeypatch) == by_flags
    assert by_flags["nproc_per_node"] == "2"
    assert by_flags["training_script_args"] == ["resume=runs/a b"]
