"""The training loop that all recipes share, on accelerate's `Accelerator`.

This package has what every run does: batches in order, optimizer steps, evaluation, checkpoints when they are due, and
results. `finetune.tasks` has what differs between tasks, `finetune.checkpointing` the files on the disk, and
`finetune.hardware` what depends on the machine.
"""

from finetune.checkpointing.resume import Start, find_start
from finetune.training.loop import fit
from finetune.training.results import finish_run
from finetune.training.run import Run, prepare

__all__ = ["Run", "Start", "find_start", "finish_run", "fit", "prepare"]
