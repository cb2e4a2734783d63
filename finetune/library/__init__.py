"""The Python interface that `import finetune` offers; the command line calls the same functions.

The functions take Python objects (recipes, data, masks, texts) and return Python objects (a finished run with its
scores, predictions and model). A mistake of the user raises a `UserError`; no function prints results or ends the
process.
"""

from finetune.library.comparing import compare
from finetune.library.evaluating import evaluate
from finetune.library.finished import FinishedRun, open_run
from finetune.library.loaded import LoadedModel, load
from finetune.library.looking import draw_mask, explain
from finetune.library.masks import apply_masks
from finetune.library.training import train, train_recipe

__all__ = [
    "FinishedRun",
    "LoadedModel",
    "apply_masks",
    "compare",
    "draw_mask",
    "evaluate",
    "explain",
    "load",
    "open_run",
    "train",
    "train_recipe",
]
