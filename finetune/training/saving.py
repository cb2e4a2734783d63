"""A loop's checkpoint: written by all processes together, and read back to the bit."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list

from finetune.errors import UserError
from finetune.training.checkpoint import (
    STATE,
    aside,
    enough_room,
    newest_whole,
    prune_checkpoints,
    replace,
    seal,
    step_name,
    write_model,
)
from finetune.training.progress import say, warn
from finetune.training.run_folder import environment
from finetune.training.state import random_states, restore_random_states

if TYPE_CHECKING:
    from finetune.training.loop import Loop

_SPREAD = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
_STATE_FILE = "state.json"


def save(loop: "Loop") -> None:
    """Save where training stands; called by all processes at the end of a step.

    Raises:
        UserError: The disk is full.
    """
    run, accelerator = loop.run, loop.accelerator
    folder = run.folder.checkpoints / step_name(loop.state.step)
    written = aside(folder)
    with enough_room(folder):
        if accelerator.is_main_process:
            shutil.rmtree(written, ignore_errors=True)
            (written / STATE).mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(written / STATE))  # weights, optimizer, gradient scale
        torch.save(_of_process(loop), written / STATE / _process_file(accelerator))
        with loop.averaging.applied():
            weights = accelerator.get_state_dict(loop.model) if accelerator.distributed_type in _SPREAD else None
            if accelerator.is_main_process:
                write_model(loop.unwrapped, run.context.tokenizer, written, weights)
        if accelerator.is_main_process:
            shared = {
                "state": asdict(loop.state),
                "metrics_size": run.folder.metrics_size(),
                "processes": accelerator.num_processes,
                "packages": environment()["packages"],
            }
            (written / STATE / _STATE_FILE).write_text(json.dumps(shared, indent=2), encoding="utf-8")
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            seal(written)
            replace(folder)
            prune_checkpoints(folder.parent, keep=loop.training.keep_checkpoints, best=loop.best_checkpoint.name)
            if run.on_checkpoint is not None:
                run.on_checkpoint(folder, loop.state)
        accelerator.wait_for_everyone()
    loop.callbacks.saved(folder)


def restore(loop: "Loop") -> None:
    """Go on from the newest checkpoint that is whole; from the beginning where there is none.

    Raises:
        UserError: The checkpoint is of another number of processes, or cannot be read.
    """
    run, accelerator = loop.run, loop.accelerator
    found = [_found(run.folder.checkpoints) if accelerator.is_main_process else None]
    broadcast_object_list(found)
    folder = found[0]
    if isinstance(folder, UserError):
        raise folder
    if folder is None:
        if accelerator.is_main_process:
            run.folder.cut_metrics(0)
            say("nothing was saved yet: from the beginning")
        return
    shared = json.loads((folder / STATE / _STATE_FILE).read_text(encoding="utf-8"))
    _check_processes(shared["processes"], accelerator.num_processes, folder)
    accelerator.load_state(str(folder / STATE))
    loop.state.restore(shared["state"])
    mine = torch.load(folder / STATE / _process_file(accelerator), weights_only=True, map_location="cpu")
    loop.schedule.load_state_dict(mine["schedule"])
    loop.epoch_mean.load_state_dict(mine["epoch_mean"])
    loop.log_mean.load_state_dict(mine["log_mean"])
    if loop.state.best_value is not None and not loop.best_checkpoint.is_dir():
        # It gave way to a better one, which was damaged and is left out.
        loop.state.best_value = None
    if accelerator.is_main_process:
        run.folder.cut_metrics(shared["metrics_size"])
        say(f"going on after step {loop.state.step} of {loop.state.total_steps}")
        _tell_changes(shared["packages"], environment()["packages"])
    restore_random_states(mine["random"])


def _of_process(loop: "Loop") -> dict[str, Any]:
    """What each process has of its own, and the schedule, whose numbers JSON could not keep."""
    return {
        "schedule": loop.schedule.state_dict(),
        "epoch_mean": loop.epoch_mean.state_dict(),
        "log_mean": loop.log_mean.state_dict(),
        "random": random_states(),
    }


def _process_file(accelerator: Accelerator) -> str:
    return f"process_{accelerator.process_index}.pt"


def _found(checkpoints: Path) -> Path | UserError | None:
    """What `newest_whole` returns, or the error that it raises, so that one process can tell it to all."""
    try:
        return newest_whole(checkpoints)
    except UserError as error:
        return error


def _check_processes(before: int, now: int, folder: Path) -> None:
    if before != now:
        raise UserError(
            "the run cannot go on with another number of processes, which would change its batches",
            where=str(folder),
            expected=f"{before} processes",
            found=str(now),
            fix=f"accelerate launch --num_processes {before} ...",
        )


def _tell_changes(before: dict[str, str], now: dict[str, str]) -> None:
    """Say which packages are of another version: the same bits are promised for the same ones alone."""
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            versions = f"{before.get(name)} before and {now.get(name)} now"
            warn(f"{name} is {versions}: results may differ in their last digits")
