"""The completion of a run: it is marked as complete, and files that only resuming would need are deleted."""

from finetune.checkpointing.checkpoint import clear
from finetune.checkpointing.run_folder import RunFolder
from finetune.progress import say, warn
from finetune.recipe import Training


def complete(folder: RunFolder, training: Training) -> None:
    """Mark a run as trained, evaluated and published, and delete the checkpoints that its recipe does not keep.

    Args:
        folder: The run folder.
        training: The recipe's `training` section, whose key `finished_checkpoints` is read.
    """
    folder.mark_complete()
    kept = training.finished_checkpoints
    try:
        freed = clear(folder.checkpoints, keep=kept)
    except OSError as error:
        warn(f"the checkpoints of the complete run cannot be deleted: {error}")
        return
    if freed:
        what = "the states of the checkpoints, for resuming," if kept == "models" else "the checkpoints"
        say(f"{what} are deleted, {freed / 2**20:,.0f} MiB; training.finished_checkpoints=all keeps them")
