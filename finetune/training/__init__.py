"""The one training loop of all recipes, on accelerate's `Accelerator`.

Here belongs what every run does: batches in order, optimizer steps, evaluation, checkpoints, the run folder. What
differs between tasks lives in `finetune.tasks`.
"""

from finetune.training.loop import fit
from finetune.training.results import finish_run
from finetune.training.resume import Start, find_start
from finetune.training.run import Run, prepare

__all__ = ["Run", "Start", "find_start", "finish_run", "fit", "prepare"]
