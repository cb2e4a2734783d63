"""The one training loop of all recipes, on accelerate's `Accelerator`.

Here belongs what every run does: batches in order, optimizer steps, evaluation, checkpoints, the run folder. What
differs between tasks lives in `finetune.tasks`.
"""

from finetune.training.job import Job, prepare
from finetune.training.loop import fit
from finetune.training.results import finish

__all__ = ["Job", "finish", "fit", "prepare"]
