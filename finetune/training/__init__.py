"""The one training loop of all recipes, on accelerate's `Accelerator`.

Here belongs what every run does: batches in order, optimizer steps, evaluation, checkpoints, the run folder. What
differs between tasks lives in `finetune.tasks`.
"""

from finetune.training.job import Job, prepare
from finetune.training.loop import fit
from finetune.training.results import finish
from finetune.training.resume import Start, find_start

__all__ = ["Job", "Start", "find_start", "finish", "fit", "prepare"]
