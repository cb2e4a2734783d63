"""The one training loop of all recipes, on accelerate's `Accelerator`.

Here belongs what every run does: batches in order, optimizer steps, evaluation, when a checkpoint is due, results. What
differs between tasks lives in `finetune.tasks`, files on the disk in `finetune.checkpointing`, and what depends on the
machine in `finetune.hardware`.
"""

from finetune.checkpointing.resume import Start, find_start
from finetune.training.loop import fit
from finetune.training.results import finish_run
from finetune.training.run import Run, prepare

__all__ = ["Run", "Start", "find_start", "finish_run", "fit", "prepare"]
