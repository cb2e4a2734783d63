"""Saving a loop as a checkpoint, and restoring it bit for bit."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, broadcast_object_list
from pydantic import BaseModel, NonNegativeInt

from finetune import atomic
from finetune.checkpointing.checkpoint import (
    STATE,
    aside,
    enough_room,
    newest_whole,
    prune_checkpoints,
    seal,
    step_name,
    write_model,
)
from finetune.checkpointing.fingerprint import check_fingerprint
from finetune.checkpointing.links import link_weights
from finetune.checkpointing.run_folder import environment, read_json
from finetune.checkpointing.state import random_states, restore_random_states
from finetune.errors import UserError
from finetune.models.quiet import quiet
from finetune.progress import say, warn
from finetune.training.run import Run

if TYPE_CHECKING:
    from finetune.training.loop import Loop

_SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
_STATE_FILE = "state.json"


def save(loop: "Loop") -> None:
    """Save a checkpoint of the training; called by all processes at the end of a step.

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
        with quiet():
            accelerator.save_state(str(written / STATE))  # weights, optimizer, gradient scale
        torch.save(_process_state(loop), written / STATE / _process_file(accelerator))
        with loop.averaging.applied():
            weights = accelerator.get_state_dict(loop.model) if accelerator.distributed_type in _SHARDED else None
            if accelerator.is_main_process:
                write_model(loop.unwrapped, run.context.tokenizer, written, weights)
        if accelerator.is_main_process:
            shared = {
                "state": asdict(loop.state),
                "metrics_size": run.folder.metrics_size(),
                "processes": accelerator.num_processes,
                "packages": environment()["packages"],
                "fingerprint": run.fingerprint,
            }
            (written / STATE / _STATE_FILE).write_text(json.dumps(shared, indent=2), encoding="utf-8")
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            link_weights(written / STATE, written)
            seal(written)
            atomic.move_into_place(written, folder)
            prune_checkpoints(folder.parent, keep=loop.training.keep_checkpoints, best=loop.best_checkpoint.name)
            if run.on_checkpoint is not None:
                run.on_checkpoint(folder, loop.state)
        accelerator.wait_for_everyone()
    loop.callbacks.saved(folder)


def restore(loop: "Loop") -> None:
    """Restore the newest undamaged checkpoint; training begins anew where there is none. Called by all processes.

    Raises:
        UserError: The checkpoint belongs to another number of processes, other data or another starting model, or it
            cannot be read.
    """
    run, accelerator = loop.run, loop.accelerator
    found = [_find_newest(run) if accelerator.is_main_process else None]
    broadcast_object_list(found)
    folder = found[0]
    if isinstance(folder, UserError):
        raise folder
    if folder is None:
        if accelerator.is_main_process:
            run.folder.cut_metrics(0)
            say("nothing was saved yet: from the beginning")
        return
    shared = _read_shared(folder)
    with quiet():
        accelerator.load_state(str(folder / STATE))
    loop.state.restore(shared["state"])
    mine = torch.load(folder / STATE / _process_file(accelerator), weights_only=True, map_location="cpu")
    loop.schedule.load_state_dict(mine["schedule"])
    loop.monitor.epoch_mean.load_state_dict(mine["epoch_mean"])
    loop.monitor.log_mean.load_state_dict(mine["log_mean"])
    if loop.state.best_value is not None and not loop.best_checkpoint.is_dir():
        # The best checkpoint had been deleted for a better one, and that one is damaged.
        loop.state.best_value = None
    if accelerator.is_main_process:
        run.folder.cut_metrics(shared["metrics_size"])
        say(f"resuming after step {loop.state.step} of {loop.state.total_steps}")
        for change in _changed_packages(shared):
            warn(f"{change}: results may differ in their last digits")
    restore_random_states(mine["random"])


def _process_state(loop: "Loop") -> dict[str, Any]:
    """Return the state that each process has of its own, and that of the schedule, whose floats JSON would round."""
    return {
        "schedule": loop.schedule.state_dict(),
        "epoch_mean": loop.monitor.epoch_mean.state_dict(),
        "log_mean": loop.monitor.log_mean.state_dict(),
        "random": random_states(),
    }


def _process_file(accelerator: Accelerator) -> str:
    return f"process_{accelerator.process_index}.pt"


def _find_newest(run: Run) -> Path | UserError | None:
    """Return the newest undamaged checkpoint, or the error that forbids to use it.

    The error is returned rather than raised, so that the main process can send it to the others.
    """
    try:
        folder = newest_whole(run.folder.checkpoints)
        if folder is not None:
            _check_same(run, folder, _read_shared(folder))
        return folder
    except UserError as error:
        return error


class _Shared(BaseModel):
    """The part of a checkpoint's state.json that all processes read; earlier versions had no fingerprint."""

    state: dict[str, Any]
    metrics_size: NonNegativeInt
    processes: int
    packages: dict[str, str]
    fingerprint: dict[str, str] = {}


def _read_shared(folder: Path) -> dict[str, Any]:
    """Return the content of a checkpoint's state.json.

    Raises:
        UserError: The file cannot be read, or an entry of `_Shared` is missing or has the wrong type.
    """
    fix = f"rename the folder {folder.name} to resume from an older checkpoint"
    return read_json(folder / STATE / _STATE_FILE, _Shared, fix)


def _check_same(run: Run, folder: Path, shared: Mapping[str, Any]) -> None:
    """Check that the run would continue with the steps that it would have taken without interruption.

    Raises:
        UserError: The number of processes, the data or the starting model is not the same as before.
    """
    _check_processes(shared["processes"], run.accelerator.num_processes, folder)
    if "fingerprint" not in shared:
        say(f"{folder.name} has no checksums of the data and the model: whether they have changed is not known")
        return
    name = str(run.folder.path)
    packages = _changed_packages(shared)
    check_fingerprint(shared["fingerprint"], run.fingerprint, run=name, changed_packages=packages)


def _check_processes(before: int, now: int, folder: Path) -> None:
    if before != now:
        raise UserError(
            "the run cannot be resumed with another number of processes, which would change its batches",
            where=str(folder),
            expected=f"{before} processes",
            found=str(now),
            fix=f"accelerate launch --num_processes {before} ...",
        )


def _changed_packages(shared: Mapping[str, Any]) -> list[str]:
    """Describe the packages whose version has changed: only with the same versions are results the same bit for bit."""
    before, now = shared["packages"], environment()["packages"]
    return [
        f"{name} was {before.get(name)} and is {now.get(name)} now"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
