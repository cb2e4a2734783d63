"""The last thing that a run does: nothing of it is left to do, and what only resuming would read is deleted."""

from finetune.checkpointing.checkpoint import clear
from finetune.checkpointing.run_folder import RunFolder
from finetune.progress import say, warn
from finetune.recipe import Training


def complete(folder: RunFolder, training: Training) -> None:
    """Note that a run is trained, scored and published, and delete what its recipe does not keep of the checkpoints.

    Args:
        folder: The run's folder.
        training: What the recipe says of checkpoints.
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
